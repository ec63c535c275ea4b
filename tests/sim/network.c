#include "network.h"

#include "base/memory.h"
#include "node.h"
#include "oracle.h"
#include "trace.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { LATE_MS = 600 };

struct letter_between {
    struct event event;
    struct node *to;
    unsigned from;
    bool is_statement;
    uint8_t statement[FOUNDING_STATEMENT];
    struct raft_message message;
    struct frame_stamp stamp;
    unsigned count;
    struct entry entries[];
};

static void drop(struct event *event)
{
    struct letter_between *letter = (struct letter_between *)event;
    for (unsigned i = 0; i < letter->count; i++)
        entry_unref(&letter->entries[i]);
}

static void on_arrival(struct event *event)
{
    struct letter_between *letter = (struct letter_between *)event;
    if (letter->is_statement) {
        node_hear(letter->to, letter->from, letter->statement);
    } else {
        /* Its references go to the replica. */
        node_receive(letter->to, letter->from, &letter->message, &letter->stamp,
                     letter->entries);
    }
    free(letter);
}

static struct letter_between *letter_between_new(unsigned count)
{
    struct letter_between *letter =
        memory_new(sizeof *letter + count * sizeof letter->entries[0]);
    memset(letter, 0, sizeof *letter);
    letter->event.run = on_arrival;
    letter->event.drop = drop;
    letter->count = count;
    return letter;
}

static struct letter_between *copy(const struct letter_between *letter)
{
    struct letter_between *other = letter_between_new(letter->count);
    size_t size = sizeof *letter + letter->count * sizeof letter->entries[0];
    memcpy(other, letter, size);
    for (unsigned i = 0; i < other->count; i++)
        entry_ref(&other->entries[i]);
    return other;
}

static void put(struct world *world, struct letter_between *letter)
{
    struct dice *dice = &world->dice;
    uint64_t delay = dice_between(dice, 1, 5);
    if (dice_chance(dice, world->network.late))
        delay += dice_below(dice, LATE_MS);
    letter->event.owner = letter->to;
    letter->event.boot = letter->to->boot;
    timeline_add(&world->timeline, &letter->event,
                 world->timeline.now_ms + delay);
}

/* Takes it. Who is down hears nothing, nor does a later life of it: its
 * connections are others. */
static void post(struct world *world, struct letter_between *letter)
{
    struct network *network = &world->network;
    struct dice *dice = &world->dice;
    if (!letter->to->up || network->cut[letter->from][letter->to->number] ||
        dice_chance(dice, network->loss)) {
        event_drop(&letter->event);
        return;
    }
    if (dice_chance(dice, network->doubled))
        put(world, copy(letter));
    put(world, letter);
}

static void post_append(struct node *from, struct node *to,
                        const struct raft_message *message,
                        const struct frame_stamp *stamp, uint64_t first,
                        unsigned count)
{
    const struct shelf *shelf = &from->disk.written;
    struct letter_between *letter = letter_between_new(count);
    struct raft_append_entries *append = &letter->message.append_entries;
    letter->to = to;
    letter->from = from->number;
    letter->message = *message;
    letter->stamp = *stamp;
    append->n_entries = count;
    if (count > 0 && first != message->append_entries.prev_log_index + 1) {
        append->prev_log_index = first - 1;
        append->prev_log_term = shelf->items[first - 1].term;
    }
    for (unsigned i = 0; i < count; i++) {
        letter->entries[i] = shelf->items[first + i];
        entry_ref(&letter->entries[i]);
    }
    post(from->world, letter);
}

/* Sometimes in two pieces, as large ones go. */
static void send_append(struct node *from, struct node *to,
                        const struct raft_message *message,
                        const struct frame_stamp *stamp)
{
    struct dice *dice = &from->world->dice;
    uint64_t first = message->append_entries.prev_log_index + 1;
    unsigned count = message->append_entries.n_entries;
    if (shelf_at(&from->disk.written, first) == NULL ||
        shelf_at(&from->disk.written, first + count - 1) == NULL)
        return; /* No longer in the log: nothing is sent. */
    unsigned piece = count;
    if (count > 1 && dice_chance(dice, 100))
        piece = (unsigned)dice_between(dice, 1, count - 1);
    post_append(from, to, message, stamp, first, piece);
    if (piece < count)
        post_append(from, to, message, stamp, first + piece, count - piece);
}

void network_send(struct node *from, const struct raft_message *message,
                  const struct frame_stamp *stamp)
{
    struct world *world = from->world;
    struct node *to = &world->nodes[message->server_id - 1];
    oracle_said(from, message);
    trace(world, TRACE_SAY, from->id, to->id, message->type, 0);
    if (message->type == RAFT_INSTALL_SNAPSHOT && to->gone)
        return;
    if (message->type == RAFT_INSTALL_SNAPSHOT) {
        oracle_violate(world, "node %u is too far behind for the log of %u",
                       to->id, from->id);
        return;
    }
    if (message->type == RAFT_APPEND_ENTRIES &&
        message->append_entries.n_entries > 0)
        send_append(from, to, message, stamp);
    else
        post_append(from, to, message, stamp, 0, 0);
}

void network_state(struct node *from, unsigned to,
                   const uint8_t statement[FOUNDING_STATEMENT])
{
    struct letter_between *letter = letter_between_new(0);
    letter->to = &from->world->nodes[to];
    letter->from = from->number;
    letter->is_statement = true;
    memcpy(letter->statement, statement, FOUNDING_STATEMENT);
    post(from->world, letter);
}
