#include "agenda.h"

#include "base/memory.h"

#include <stdlib.h>

static bool before(const struct agenda_item *a, const struct agenda_item *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct agenda *agenda, struct agenda_item *item, uint32_t i)
{
    agenda->heap[i] = item;
    item->place = i + 1;
}

static void sift_up(struct agenda *agenda, uint32_t i)
{
    struct agenda_item *item = agenda->heap[i];
    while (i > 0 && before(item, agenda->heap[(i - 1) / 2])) {
        place(agenda, agenda->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(agenda, item, i);
}

static void sift_down(struct agenda *agenda, uint32_t i)
{
    struct agenda_item *item = agenda->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= agenda->count)
            break;
        if (child + 1 < agenda->count &&
            before(agenda->heap[child + 1], agenda->heap[child]))
            child++;
        if (!before(agenda->heap[child], item))
            break;
        place(agenda, agenda->heap[child], i);
        i = child;
    }
    place(agenda, item, i);
}

static void take_out(struct agenda *agenda, struct agenda_item *item)
{
    uint32_t i = item->place - 1;
    item->place = 0;
    struct agenda_item *last = agenda->heap[--agenda->count];
    if (last == item)
        return;
    place(agenda, last, i);
    sift_up(agenda, i);
    sift_down(agenda, last->place - 1);
}

void agenda_set(struct agenda *agenda, struct agenda_item *item, uint64_t at_ms)
{
    if (item->place != 0) {
        if (item->at_ms == at_ms)
            return;
        take_out(agenda, item);
    }
    if (at_ms == 0)
        return;
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity == 0 ? 16 : agenda->capacity * 2;
        agenda->heap = memory_resize(agenda->heap,
                                     agenda->capacity * sizeof(*agenda->heap));
    }
    item->at_ms = at_ms;
    item->order = agenda->order++;
    place(agenda, item, agenda->count++);
    sift_up(agenda, item->place - 1);
}

uint64_t agenda_first_ms(const struct agenda *agenda)
{
    return agenda->count == 0 ? 0 : agenda->heap[0]->at_ms;
}

struct agenda_item *agenda_take(struct agenda *agenda, uint64_t now_ms)
{
    if (agenda->count == 0 || agenda->heap[0]->at_ms > now_ms)
        return NULL;
    struct agenda_item *item = agenda->heap[0];
    take_out(agenda, item);
    return item;
}

void agenda_close(struct agenda *agenda)
{
    free(agenda->heap);
    *agenda = (struct agenda){0};
}
