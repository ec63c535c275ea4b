/* Times never run back within a commit, nor from one to the next: the log's
 * clock does not. So runs follow each other by their keys, and one run ends
 * before the next begins. */
#include "storage/settlement.h"

#include "base/memory.h"

#include <stdlib.h>

enum {
    ITEM_SIZE = 4 + 4 + 8,
    HEADER_SIZE = 2 + 8,
    KEY_SIZE = 8 + 8 + 2,
};

/* ---- Noting ---- */

void settlements_close(struct settlements *settlements)
{
    free(settlements->items);
    *settlements = (struct settlements){0};
}

void settlements_note(struct settlements *settlements, uint32_t publisher_id,
                      uint64_t position, uint64_t ms)
{
    if (settlements == NULL || ms < settlements->latest_ms)
        return;
    if (settlements->count == settlements->capacity) {
        settlements->capacity =
            settlements->capacity == 0 ? 256 : 2 * settlements->capacity;
        settlements->items =
            memory_resize(settlements->items,
                          settlements->capacity * sizeof *settlements->items);
    }
    settlements->latest_ms = ms;
    settlements->items[settlements->count++] = (struct settlement){
        .ms = ms, .position = position, .publisher_id = publisher_id};
}

/* ---- Writing ---- */

static uint16_t run_fit(const struct settlement *items, size_t count)
{
    uint16_t fit = 1;
    while (fit < count && fit < RUN_SETTLEMENTS_MAX &&
           items[fit].ms - items[0].ms <= UINT32_MAX)
        fit++;
    return fit;
}

static void run_encode(struct encoder *out, const struct settlement *items,
                       uint16_t count)
{
    uint64_t publishers = 0;
    for (uint16_t i = 0; i < count; i++)
        publishers |= settlement_bit(items[i].publisher_id);
    out->length = 0;
    encoder_u16(out, count);
    encoder_u64(out, publishers);
    for (uint16_t i = 0; i < count; i++) {
        encoder_u32(out, items[i].publisher_id);
        encoder_u32(out, (uint32_t)(items[i].ms - items[0].ms));
        encoder_u64(out, items[i].position);
    }
}

static struct key run_key(uint64_t first_ms, uint64_t index, uint16_t part)
{
    struct key key = key_of_u64(first_ms);
    key_u64(&key, index);
    key_u8(&key, (uint8_t)(part >> 8));
    key_u8(&key, (uint8_t)part);
    return key;
}

int settlements_flush(struct settlements *settlements,
                      struct transaction *transaction, struct encoder *scratch,
                      uint64_t index, struct error *error)
{
    const struct settlement *items = settlements->items;
    size_t left = settlements->count;
    int rc = 0;
    for (uint16_t part = 0; rc == 0 && left > 0; part++) {
        uint16_t fit = run_fit(items, left);
        struct key key = run_key(items[0].ms, index, part);
        run_encode(scratch, items, fit);
        rc = record_insert(transaction, DATABASE_SETTLED, key_slice(&key),
                           encoder_slice(scratch), error);
        items += fit;
        left -= fit;
    }
    settlements->count = 0;
    return rc;
}

/* ---- Reading ---- */

int settlement_run_decode(struct slice key, struct slice content,
                          struct settlement_run *ret_run)
{
    struct decoder in = decoder_of(content);
    struct settlement_run run = {.count = decoder_u16(&in)};
    run.publishers = decoder_u64(&in);
    run.table = decoder_bytes(&in, (size_t)run.count * ITEM_SIZE).data;
    if (!decoder_done(&in) || run.count == 0 || key.length != KEY_SIZE)
        return ERR_CORRUPT;
    run.first_ms = get_key_u64(key.data);
    *ret_run = run;
    return 0;
}

struct settlement settlement_run_at(const struct settlement_run *run,
                                    uint32_t index)
{
    const uint8_t *item = run->table + (size_t)index * ITEM_SIZE;
    return (struct settlement){.publisher_id = get_u32(item),
                               .ms = run->first_ms + get_u32(item + 4),
                               .position = get_u64(item + 8)};
}

static int enter_run(struct settlement_walk *walk, struct error *error)
{
    int rc = settlement_run_decode(walk->cursor.key, walk->cursor.content,
                                   &walk->run);
    if (rc != 0)
        return record_error(error, rc, DATABASE_SETTLED, walk->cursor.key);
    walk->left = walk->run.count;
    return 0;
}

int settlement_walk_open(struct transaction *transaction, uint64_t upto_ms,
                         struct settlement_walk *walk, struct error *error)
{
    struct key key = run_key(upto_ms, UINT64_MAX, UINT16_MAX);
    *walk = (struct settlement_walk){0};
    int rc = cursor_open(transaction, DATABASE_SETTLED, &walk->cursor, error);
    if (rc == 0)
        rc = cursor_seek_back(&walk->cursor, key_slice(&key), error);
    if (rc == 0)
        rc = enter_run(walk, error);
    walk->ended = rc == ERR_END;
    while (rc == 0 && walk->left > 0 &&
           settlement_run_at(&walk->run, walk->left - 1).ms > upto_ms)
        walk->left--;
    return rc == ERR_END ? 0 : rc;
}

void settlement_walk_close(struct settlement_walk *walk)
{
    cursor_close(&walk->cursor);
}

int settlement_walk_pass(struct settlement_walk *walk, struct error *error)
{
    int rc = walk->ended ? ERR_END : cursor_previous(&walk->cursor, error);
    if (rc == 0)
        rc = enter_run(walk, error);
    walk->ended = rc == ERR_END;
    return rc;
}

int settlement_walk_back(struct settlement_walk *walk, struct settlement *ret,
                         struct error *error)
{
    int rc = walk->ended ? ERR_END : 0;
    if (rc == 0 && walk->left == 0)
        rc = settlement_walk_pass(walk, error);
    if (rc == 0)
        *ret = settlement_run_at(&walk->run, --walk->left);
    return rc;
}
