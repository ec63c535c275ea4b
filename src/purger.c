#include "purger.h"

#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"

#include <stdlib.h>

enum {
    ROWS_A_STEP = 500,
    PAUSE_MS = 20,         /* Between two steps ... */
    PAUSE_REFUSED_MS = 500 /* ... and when one was not taken. */
};

struct purger {
    uv_timer_t timer;
    const struct catalog *catalog;
    struct proposer *proposer;
    struct reads *reads;
    bool leads;
    bool working; /* A read, a step or a pause is under way. */
    bool again;   /* Something was deleted meanwhile. */
    void (*closed)(void *context);
    void *closed_context;
};

/* What is to be removed next: a deleted publisher's rows, then a topic's. */
struct purge_read {
    struct read_job job;
    struct purger *purger;
    bool of_topic;
    uint32_t *ids;
    uint32_t count;
};

static void look(struct purger *purger);

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

static void pause_for(struct purger *purger, uint64_t ms)
{
    uv_timer_start(&purger->timer, on_timer, ms, 0);
}

static void on_step(void *context, uint64_t id, int code, uint64_t index,
                    const struct command_result *result)
{
    struct purger *purger = context;
    (void)id;
    (void)index;
    if (!purger->leads) {
        purger->working = false;
        return;
    }
    bool done = code == 0 && result->code == 0;
    pause_for(purger, done ? PAUSE_MS : PAUSE_REFUSED_MS);
}

static void step(struct purger *purger, bool of_topic, uint32_t id)
{
    if (proposer_check(purger->proposer, 0) != 0) {
        pause_for(purger, PAUSE_REFUSED_MS);
        return;
    }
    struct encoder *out = proposer_begin(purger->proposer);
    if (of_topic)
        command_topic_purge_encode(out, clock_wall_ms(), id, ROWS_A_STEP);
    else
        command_purge_encode(out, clock_wall_ms(), id, ROWS_A_STEP);
    proposer_end(purger->proposer, on_step, purger, id);
}

static int run_read(struct read_job *job, struct view *view,
                    struct error *error)
{
    struct purge_read *read = (struct purge_read *)job;
    int rc =
        query_purges(view, 1, &job->arena, &read->ids, &read->count, error);
    if (rc != 0 || read->count > 0)
        return rc;
    read->of_topic = true;
    return query_topic_purges(view, 1, &job->arena, &read->ids, &read->count,
                              error);
}

static void read_done(struct read_job *job)
{
    struct purge_read *read = (struct purge_read *)job;
    struct purger *purger = read->purger;
    if (!purger->leads) {
        purger->working = false;
    } else if (job->code != 0) {
        LOG_WARN("purge", "looking for what is left to remove failed",
                 FIELD_TEXT("error", job->error.text));
        pause_for(purger, PAUSE_REFUSED_MS);
    } else if (read->count > 0) {
        step(purger, read->of_topic, read->ids[0]);
    } else {
        purger->working = false;
        if (purger->again)
            look(purger);
    }
    arena_close(&job->arena);
    free(read);
}

static void look(struct purger *purger)
{
    struct purge_read *read = memory_new_zeroed(1, sizeof *read);
    purger->working = true;
    purger->again = false;
    read->purger = purger;
    read->job.run = run_read;
    read->job.done = read_done;
    read->job.waiter.index = catalog_applied_index(purger->catalog);
    reads_submit(purger->reads, &read->job);
}

struct purger *purger_new(uv_loop_t *loop, const struct catalog *catalog,
                          struct proposer *proposer, struct reads *reads)
{
    struct purger *purger = memory_new_zeroed(1, sizeof *purger);
    purger->catalog = catalog;
    purger->proposer = proposer;
    purger->reads = reads;
    uv_timer_init(loop, &purger->timer);
    purger->timer.data = purger;
    return purger;
}

void purger_look(struct purger *purger)
{
    purger->leads = true;
    if (purger->working)
        purger->again = true;
    else
        look(purger);
}

/* A read under way ends the work when it comes back. */
void purger_stop(struct purger *purger)
{
    purger->leads = false;
    if (uv_is_active((uv_handle_t *)&purger->timer)) {
        uv_timer_stop(&purger->timer);
        purger->working = false;
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct purger *purger = handle->data;
    void (*closed)(void *) = purger->closed;
    void *context = purger->closed_context;
    free(purger);
    closed(context);
}

void purger_close(struct purger *purger, void (*closed)(void *context),
                  void *context)
{
    purger_stop(purger);
    purger->closed = closed;
    purger->closed_context = context;
    uv_close((uv_handle_t *)&purger->timer, on_closed);
}
