#include "node_reads.h"

#include "world.h"

#include <stdlib.h>

static void drop(struct event *event)
{
    struct read *read = (struct read *)event;
    if (read->forget != NULL)
        read->forget(read);
    arena_close(&read->arena);
}

static void on_back(struct event *event)
{
    struct read *read = (struct read *)event;
    read->done(read);
    read->forget = NULL;
    event_drop(event);
}

static void on_run(struct event *event)
{
    struct read *read = (struct read *)event;
    struct node *node = event->owner;
    struct dice *dice = &node->world->dice;
    struct view *view = NULL;
    /* Too many are under way, at times. */
    if (!node->world->quiet && dice_chance(dice, 20))
        read->code = error_set(&read->error, ERR_BUSY, "busy");
    else
        read->code = view_begin(node->store, &view, &read->error);
    if (read->code == 0)
        read->code = read->run(read, view, &read->error);
    view_end(view);
    /* Its publisher may have been deleted meanwhile. */
    if (read->code != 0 && read->code != ERR_BUSY &&
        read->code != ERR_NOT_FOUND)
        oracle_violate(node->world, "node %u reads: %s", node->id,
                       read->error.text);
    read->event.run = on_back;
    node_plan(node, event, dice_below(dice, 4));
}

static void start(struct node *node, struct read *read)
{
    read->event.run = on_run;
    node_plan(node, &read->event, dice_below(&node->world->dice, 3));
}

void node_reads_submit(struct node *node, struct read *read, uint64_t index)
{
    read->event.drop = drop;
    read->index = index;
    if (store_committed_index(node->store) >= read->index) {
        start(node, read);
        return;
    }
    read->next = node->reads;
    node->reads = read;
    if (read->index > node->commit_wanted) {
        node->commit_wanted = read->index;
        node_store_plan_commit(node, true);
    }
}

void node_reads_ready(struct node *node)
{
    struct read **at = &node->reads;
    while (*at != NULL) {
        struct read *read = *at;
        if (store_committed_index(node->store) < read->index) {
            at = &read->next;
            continue;
        }
        *at = read->next;
        start(node, read);
    }
}

void node_reads_drop(struct node *node)
{
    while (node->reads != NULL) {
        struct read *read = node->reads;
        node->reads = read->next;
        event_drop(&read->event);
    }
}
