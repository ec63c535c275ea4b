#include "chore.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"

#include <stdlib.h>

enum {
    PAUSE_REFUSED_MS = 500, /* After a look or a step that failed. */
    IDLE_SHARE = 100,       /* A round's time to the time until the next. */
};

struct chore_look {
    struct read_job job;
    struct chore *chore;
    struct look look;
};

struct chore {
    const struct chore_kind *kind;
    struct chore_parts parts;
    uint64_t retention_seconds;
    uv_timer_t timer;
    struct look_place place;
    uint64_t round_ms; /* When the round began; 0: none is under way. */
    bool leads;
    bool working; /* A look, a step or a pause is under way. */
    bool again;   /* It was woken meanwhile. */
    void (*closed)(void *context);
    void *closed_context;
};

static void look(struct chore *chore);

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

static void look_after(struct chore *chore, uint64_t ms)
{
    uv_timer_start(&chore->timer, on_timer, ms, 0);
}

static void rest(struct chore *chore)
{
    uint64_t took_ms = clock_ms() - chore->round_ms;
    chore->working = false;
    chore->round_ms = 0;
    chore->place = (struct look_place){0};
    if (chore->again)
        look(chore);
    else if (chore->kind->idle_ms > 0)
        look_after(chore, took_ms * IDLE_SHARE > chore->kind->idle_ms
                              ? took_ms * IDLE_SHARE
                              : chore->kind->idle_ms);
}

static void on_step(void *context, uint64_t token, int code, uint64_t index,
                    const struct command_result *result)
{
    struct chore *chore = context;
    (void)token;
    (void)index;
    if (!chore->leads) {
        chore->working = false;
        return;
    }
    bool done = code == 0 && result->code == 0;
    look_after(chore, done ? chore->kind->pause_ms : PAUSE_REFUSED_MS);
}

static void propose(struct chore *chore, struct slice step)
{
    if (proposer_check(chore->parts.proposer, step.length) != 0) {
        look_after(chore, PAUSE_REFUSED_MS);
        return;
    }
    encoder_bytes(proposer_begin(chore->parts.proposer), step);
    proposer_end(chore->parts.proposer, on_step, chore, 0);
}

static int run(struct read_job *job, struct view *view, struct error *error)
{
    struct chore_look *mine = (struct chore_look *)job;
    return mine->chore->kind->look(&mine->look, view, &job->arena, error);
}

static void done(struct read_job *job)
{
    struct chore_look *mine = (struct chore_look *)job;
    struct chore *chore = mine->chore;
    if (!chore->leads) {
        chore->working = false;
    } else if (job->code != 0) {
        LOG_WARN("chore", "a look failed",
                 FIELD_TEXT("chore", chore->kind->name),
                 FIELD_TEXT("error", job->error.text));
        look_after(chore, PAUSE_REFUSED_MS);
    } else {
        chore->place = mine->look.place;
        if (mine->look.step.length > 0)
            propose(chore, encoder_slice(&mine->look.step));
        else if (mine->look.more)
            look_after(chore, chore->kind->pause_ms);
        else
            rest(chore);
    }
    arena_close(&job->arena);
    encoder_close(&mine->look.step);
    free(mine);
}

static void look(struct chore *chore)
{
    struct chore_look *mine = memory_new_zeroed(1, sizeof *mine);
    uv_timer_stop(&chore->timer);
    chore->working = true;
    chore->again = false;
    if (chore->round_ms == 0)
        chore->round_ms = clock_ms();
    mine->chore = chore;
    mine->look.now_ms = clock_wall_ms();
    mine->look.retention_seconds = chore->retention_seconds;
    mine->look.place = chore->place;
    mine->job.run = run;
    mine->job.done = done;
    mine->job.waiter.index = catalog_applied_index(chore->parts.catalog);
    reads_submit(chore->parts.reads, &mine->job);
}

struct chore *chore_new(const struct chore_kind *kind,
                        const struct chore_parts *parts,
                        uint64_t retention_seconds)
{
    struct chore *chore = memory_new_zeroed(1, sizeof *chore);
    chore->kind = kind;
    chore->parts = *parts;
    chore->retention_seconds = retention_seconds;
    uv_timer_init(parts->loop, &chore->timer);
    chore->timer.data = chore;
    return chore;
}

void chore_wake(struct chore *chore)
{
    chore->leads = true;
    if (chore->working) {
        chore->again = true;
        return;
    }
    /* In a later turn, when the catalog has all of the entry that holds what
     * woke it: a look must see that. */
    chore->working = true;
    look_after(chore, 0);
}

/* What is under way ends the work when it comes back. */
void chore_stop(struct chore *chore)
{
    chore->leads = false;
    chore->round_ms = 0;
    chore->place = (struct look_place){0};
    if (uv_is_active((uv_handle_t *)&chore->timer)) {
        uv_timer_stop(&chore->timer);
        chore->working = false;
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct chore *chore = handle->data;
    void (*closed)(void *) = chore->closed;
    void *context = chore->closed_context;
    free(chore);
    closed(context);
}

void chore_close(struct chore *chore, void (*closed)(void *context),
                 void *context)
{
    chore_stop(chore);
    chore->closed = closed;
    chore->closed_context = context;
    uv_close((uv_handle_t *)&chore->timer, on_closed);
}
