#include "order.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 16 };

/* ---- The table ---- */

/* Keys are hashes already. */
static uint32_t place_of(const struct order *order, uint64_t key)
{
    uint32_t mask = order->capacity - 1;
    uint32_t place = (uint32_t)(key ^ key >> 32) & mask;
    while (order->table[place].key != 0 && order->table[place].key != key)
        place = (place + 1) & mask;
    return place;
}

static void grow(struct order *order)
{
    struct order_key *old = order->table;
    uint32_t count = order->capacity;
    order->capacity = count == 0 ? CAPACITY_MIN : count * 2;
    order->table = memory_new_zeroed(order->capacity, sizeof *order->table);
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].key != 0)
            order->table[place_of(order, old[i].key)] = old[i];
    }
    free(old);
}

struct order_key *order_find(const struct order *order, uint64_t key)
{
    if (order->capacity == 0 || key == 0)
        return NULL;
    struct order_key *found = &order->table[place_of(order, key)];
    return found->key == key ? found : NULL;
}

struct order_key *order_make(struct order *order, uint64_t key)
{
    assert(key != 0);
    if (order->count * 2 >= order->capacity)
        grow(order);
    struct order_key *found = &order->table[place_of(order, key)];
    if (found->key == 0) {
        *found = (struct order_key){.key = key};
        order->count++;
    }
    return found;
}

/* Those behind it in its chain move up, so that no gap is left. */
static void forget(struct order *order, struct order_key *gone)
{
    uint32_t mask = order->capacity - 1;
    uint32_t place = (uint32_t)(gone - order->table);
    order->table[place] = (struct order_key){.key = 0};
    order->count--;
    for (place = (place + 1) & mask; order->table[place].key != 0;
         place = (place + 1) & mask) {
        struct order_key moved = order->table[place];
        order->table[place] = (struct order_key){.key = 0};
        order->table[place_of(order, moved.key)] = moved;
    }
}

/* ---- The list ---- */

static void enlist(struct order *order, struct order_key *entry)
{
    if (entry->listed)
        return;
    if (order->list_first + order->list_count == order->list_capacity) {
        if (order->list_first > 0) {
            memmove(order->list, order->list + order->list_first,
                    order->list_count * sizeof *order->list);
            order->list_first = 0;
        } else {
            order->list_capacity =
                order->list_capacity == 0 ? 16 : order->list_capacity * 2;
            order->list = memory_resize(order->list, order->list_capacity *
                                                         sizeof *order->list);
        }
    }
    order->list[order->list_first + order->list_count++] = entry->key;
    entry->listed = true;
}

static bool is_held_by_others(const struct order_key *entry, bool block)
{
    return entry->open > 0 || entry->waits > 0 || (block && entry->stuck > 0);
}

void order_settle(struct order *order, uint64_t key, bool block)
{
    struct order_key *entry = order_find(order, key);
    if (entry == NULL)
        return;
    if (entry->open == 0 && entry->waits == 0 && entry->stuck == 0 &&
        entry->parked == 0 && !entry->looking)
        forget(order, entry);
    else if (entry->parked > 0 && !entry->looking &&
             !is_held_by_others(entry, block))
        enlist(order, entry);
}

struct order_key *order_walk(struct order *order, bool block)
{
    while (order->list_count > 0) {
        uint64_t key = order->list[order->list_first++];
        order->list_count--;
        struct order_key *entry = order_find(order, key);
        if (entry == NULL)
            continue;
        entry->listed = false;
        if (entry->parked > 0 && !entry->looking &&
            !is_held_by_others(entry, block))
            return entry;
    }
    order->list_first = 0;
    return NULL;
}

/* ---- What happens ---- */

void order_opened(struct order *order, uint64_t key, uint64_t now_ms)
{
    order->open++;
    if (key == 0)
        return;
    struct order_key *entry = order_make(order, key);
    entry->open++;
    entry->opened_ms = now_ms;
}

void order_shut(struct order *order, uint64_t key, bool block)
{
    struct order_key *entry = order_find(order, key);
    if (order->open > 0)
        order->open--;
    if (entry != NULL && entry->open > 0)
        entry->open--;
    order_settle(order, key, block);
}

void order_waits(struct order *order, uint64_t key)
{
    order->waits++;
    if (key != 0)
        order_make(order, key)->waits++;
}

void order_waits_no_more(struct order *order, uint64_t key, bool block)
{
    struct order_key *entry = order_find(order, key);
    if (order->waits > 0)
        order->waits--;
    if (entry != NULL && entry->waits > 0)
        entry->waits--;
    order_settle(order, key, block);
}

void order_stuck(struct order *order, uint64_t key)
{
    order->stuck++;
    if (key != 0)
        order_make(order, key)->stuck++;
}

void order_parked(struct order *order, uint64_t key, uint64_t position)
{
    struct order_key *entry = order_make(order, key);
    order->parked++;
    if (entry->parked++ == 0)
        entry->first_parked = position;
}

bool order_key_is_held(const struct order *order, uint64_t key, bool block)
{
    const struct order_key *entry = order_find(order, key);
    return entry != NULL && (entry->waits > 0 || entry->parked > 0 ||
                             entry->looking || (block && entry->stuck > 0));
}

/* ---- Loading ---- */

void order_reset(struct order *order)
{
    uint32_t capacity = order->capacity;
    struct order_key *old = order->table;
    order->table = NULL;
    order->capacity = 0;
    order->count = 0;
    order->list_first = 0;
    order->list_count = 0;
    order->waits = 0;
    order->stuck = 0;
    order->parked = 0;
    for (uint32_t i = 0; i < capacity; i++) {
        if (old[i].key == 0 || old[i].open == 0)
            continue;
        struct order_key *entry = order_make(order, old[i].key);
        entry->open = old[i].open;
        entry->opened_ms = old[i].opened_ms;
    }
    free(old);
}

void order_load(struct order *order, const struct blocked_key *blocked,
                bool block)
{
    struct order_key *entry = order_make(order, blocked->key);
    entry->waits = blocked->waits;
    entry->stuck = blocked->stuck;
    entry->parked = blocked->parked;
    entry->first_parked = blocked->first_parked;
    order_settle(order, blocked->key, block);
}

void order_close(struct order *order)
{
    free(order->table);
    free(order->list);
    *order = (struct order){0};
}
