#include "disk.h"

#include "base/memory.h"
#include "node.h"
#include "world.h"

#include <stdlib.h>

/* ---- Shelves ---- */

const struct entry *shelf_at(const struct shelf *shelf, uint64_t index)
{
    bool there = index > shelf->base && index <= shelf->last;
    return there ? &shelf->items[index] : NULL;
}

static void shelf_cut(struct shelf *shelf, uint64_t first)
{
    for (; shelf->last >= first && shelf->last > shelf->base; shelf->last--)
        entry_unref(&shelf->items[shelf->last]);
}

static void shelf_put(struct shelf *shelf, const struct entry *entry)
{
    shelf_cut(shelf, entry->index);
    if (entry->index >= shelf->capacity) {
        shelf->capacity = (entry->index + 64) * 2;
        shelf->items =
            memory_resize(shelf->items, shelf->capacity * sizeof *shelf->items);
    }
    shelf->items[entry->index] = *entry;
    entry_ref(entry);
    shelf->last = entry->index;
}

static void shelf_forget(struct shelf *shelf, uint64_t base)
{
    for (; shelf->base < base && shelf->base < shelf->last; shelf->base++)
        entry_unref(&shelf->items[shelf->base + 1]);
}

static void shelf_close(struct shelf *shelf)
{
    shelf_cut(shelf, 0);
    free(shelf->items);
}

/* ---- Writes ---- */

void disk_init(struct disk *disk, struct node *node)
{
    *disk = (struct disk){.node = node};
    disk->queue_end = &disk->queue;
}

static struct write *take_write(struct disk *disk)
{
    struct write *write = disk->queue;
    disk->queue = write->next;
    if (disk->queue == NULL)
        disk->queue_end = &disk->queue;
    return write;
}

static void free_write(struct write *write)
{
    for (size_t i = 0; i < write->count; i++)
        entry_unref(&write->entries[i]);
    free(write->entries);
    free(write);
}

/* The first `count` entries of a write reach the disk. */
static void reach(struct disk *disk, const struct write *write, size_t count)
{
    if (write->is_vote) {
        disk->term = write->term;
        disk->vote = write->vote;
        return;
    }
    for (size_t i = 0; i < count; i++)
        shelf_put(&disk->durable, &write->entries[i]);
}

/* The process hears of it later: it may stand still. */
struct written {
    struct event event;
    bool failed;
    bool is_vote;
    uint64_t generation;
};

static void on_written(struct event *event)
{
    struct written *written = (struct written *)event;
    if (written->failed)
        node_disk_failed(event->owner);
    else if (written->is_vote)
        node_vote_written(event->owner);
    else
        node_entries_written(event->owner, written->generation);
    free(written);
}

/* The oldest write ends: the machine's doing, whatever the process does. */
struct ending {
    struct event event;
    struct disk *disk;
    uint64_t boot;
};

static void on_ending(struct event *event);

static void begin_next(struct disk *disk)
{
    struct world *world = disk->node->world;
    uint64_t delay = disk->slow ? dice_between(&world->dice, 5, 120)
                                : dice_below(&world->dice, 4);
    uint64_t from = world->timeline.now_ms;
    if (from < disk->stalled_until_ms)
        from = disk->stalled_until_ms;
    struct ending *ending = memory_new_zeroed(1, sizeof *ending);
    ending->event.run = on_ending;
    ending->disk = disk;
    ending->boot = disk->node->boot;
    timeline_add(&world->timeline, &ending->event, from + delay);
}

static void end_oldest(struct disk *disk)
{
    struct node *node = disk->node;
    struct write *write = take_write(disk);
    struct written *written = memory_new_zeroed(1, sizeof *written);
    written->event.run = on_written;
    written->event.owner = node;
    written->event.boot = node->boot;
    written->failed = disk->failing;
    written->is_vote = write->is_vote;
    written->generation = write->generation;
    if (!disk->failing)
        reach(disk, write, write->count);
    free_write(write);
    timeline_add(&node->world->timeline, &written->event, 0);
}

static void on_ending(struct event *event)
{
    struct ending *ending = (struct ending *)event;
    struct disk *disk = ending->disk;
    bool lives = ending->boot == disk->node->boot && disk->queue != NULL;
    free(ending);
    if (!lives)
        return;
    if (disk->node->world->timeline.now_ms >= disk->stalled_until_ms)
        end_oldest(disk);
    if (disk->queue != NULL)
        begin_next(disk);
}

static void queue_write(struct disk *disk, struct write *write)
{
    bool idle = disk->queue == NULL;
    write->next = NULL;
    *disk->queue_end = write;
    disk->queue_end = &write->next;
    if (idle)
        begin_next(disk);
}

void disk_append(struct disk *disk, uint64_t generation, struct entry *entries,
                 size_t count)
{
    struct write *write = memory_new_zeroed(1, sizeof *write);
    write->generation = generation;
    write->entries = entries;
    write->count = count;
    for (size_t i = 0; i < count; i++)
        shelf_put(&disk->written, &entries[i]);
    queue_write(disk, write);
}

void disk_vote(struct disk *disk, uint64_t term, uint64_t vote)
{
    struct write *write = memory_new_zeroed(1, sizeof *write);
    write->is_vote = true;
    write->term = term;
    write->vote = vote;
    queue_write(disk, write);
}

void disk_found(struct disk *disk, uint64_t log_id, const struct entry *first)
{
    disk->log_id = log_id;
    disk->term = 1;
    shelf_put(&disk->durable, first);
    shelf_put(&disk->written, first);
}

/* ---- Crashes ---- */

void disk_crash(struct disk *disk)
{
    struct dice *dice = &disk->node->world->dice;
    if (disk->queue != NULL && !disk->failing && dice_chance(dice, 500)) {
        struct write *oldest = disk->queue;
        reach(disk, oldest, dice_below(dice, oldest->count + 1));
    }
    while (disk->queue != NULL)
        free_write(take_write(disk));
    shelf_cut(&disk->written, 0);
    disk->written.base = disk->written.last = disk->durable.base;
    for (uint64_t i = disk->durable.base + 1; i <= disk->durable.last; i++)
        shelf_put(&disk->written, &disk->durable.items[i]);
}

void disk_forget(struct disk *disk, const struct log_base *base)
{
    if (base->configuration != NULL)
        buffer_ref(base->configuration);
    buffer_unref(disk->base.configuration);
    disk->base = *base;
    shelf_forget(&disk->durable, base->index);
    shelf_forget(&disk->written, base->index);
}

void disk_close(struct disk *disk)
{
    while (disk->queue != NULL)
        free_write(take_write(disk));
    buffer_unref(disk->base.configuration);
    shelf_close(&disk->durable);
    shelf_close(&disk->written);
}
