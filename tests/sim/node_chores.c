/* What the leader does beside delivering, as src/chore: one look after the
 * other, each of which finds one step; a pause behind each. */
#include "node.h"

#include "base/memory.h"
#include "node_reads.h"
#include "src/look.h"
#include "world.h"

#include <stdlib.h>

enum { STEP_MS = 5, IDLE_MS = 400 };

static int (*const looks[])(struct look *look, struct view *view,
                            struct arena *arena,
                            struct error *error) = {look_purge, look_replay};
enum { LOOKS = sizeof looks / sizeof *looks };

struct chore_read {
    struct read read;
    struct look look;
};

static void on_chore(struct event *event);

static void chore_after(struct node *node, uint64_t delay_ms)
{
    struct event *event = memory_new_zeroed(1, sizeof *event);
    event->run = on_chore;
    node_plan(node, event, delay_ms);
}

static void on_step(void *context, uint64_t token, int code, uint64_t index,
                    const struct command_result *result)
{
    struct node *node = context;
    (void)token;
    (void)code;
    (void)index;
    (void)result;
    chore_after(node, STEP_MS);
}

static int run(struct read *read, struct view *view, struct error *error)
{
    struct chore_read *mine = (struct chore_read *)read;
    int rc = 0;
    for (unsigned i = 0; i < LOOKS && rc == 0 && mine->look.step.length == 0;
         i++)
        rc = looks[i](&mine->look, view, &read->arena, error);
    return rc;
}

static void done(struct read *read)
{
    struct chore_read *mine = (struct chore_read *)read;
    struct node *node = read->event.owner;
    struct slice step = encoder_slice(&mine->look.step);
    if (read->code != 0 || step.length == 0 || node->leading_term == 0 ||
        proposer_check(node->proposer, step.length) != 0) {
        chore_after(node, IDLE_MS);
    } else {
        encoder_bytes(proposer_begin(node->proposer), step);
        proposer_end(node->proposer, on_step, node, 0);
    }
    encoder_close(&mine->look.step);
}

static void forget(struct read *read)
{
    encoder_close(&((struct chore_read *)read)->look.step);
}

static void on_chore(struct event *event)
{
    struct node *node = event->owner;
    free(event);
    node->chores_work = node->leading_term != 0;
    if (!node->chores_work)
        return;
    struct chore_read *mine = memory_new_zeroed(1, sizeof *mine);
    mine->read.run = run;
    mine->read.done = done;
    mine->read.forget = forget;
    mine->look.now_ms = node_wall_ms(node);
    node_reads_submit(node, &mine->read, catalog_applied_index(node->catalog));
}

void node_chores_lead(struct node *node)
{
    if (node->chores_work)
        return; /* Of an earlier reign, and they go on. */
    node->chores_work = true;
    chore_after(node, STEP_MS);
}
