/* Tables of fixed width, so that any item can be found without reading those
 * before it. Decoding checks the whole table once; access then trusts it. */
#include "storage/run.h"

#include "base/error.h"
#include "storage/attempt.h"

#include <assert.h>

/* ---- Messages ---- */

enum { MESSAGE_RUN_COUNT_SIZE = 4, MESSAGE_RUN_END_SIZE = 4 };

size_t message_run_header_size(uint32_t count)
{
    return MESSAGE_RUN_COUNT_SIZE + (size_t)count * MESSAGE_RUN_END_SIZE;
}

static uint32_t message_end(const struct message_run *run, uint32_t index)
{
    return get_u32(run->ends + (size_t)index * MESSAGE_RUN_END_SIZE);
}

int message_run_decode(struct slice content, struct message_run *ret_run)
{
    struct decoder in = decoder_of(content);
    struct message_run run = {.count = decoder_u32(&in)};
    if (in.failed || run.count == 0 || run.count > RUN_MESSAGES_MAX)
        return ERR_CORRUPT;
    run.ends =
        decoder_bytes(&in, (size_t)run.count * MESSAGE_RUN_END_SIZE).data;
    run.records = decoder_bytes(&in, decoder_left(&in));
    if (in.failed)
        return ERR_CORRUPT;
    uint32_t last = 0;
    for (uint32_t i = 0; i < run.count; i++) {
        uint32_t end = message_end(&run, i);
        if (end < last)
            return ERR_CORRUPT;
        last = end;
    }
    if (last != run.records.length)
        return ERR_CORRUPT;
    *ret_run = run;
    return 0;
}

struct slice message_run_record(const struct message_run *run, uint32_t index)
{
    assert(index < run->count);
    uint32_t begin = index == 0 ? 0 : message_end(run, index - 1);
    return slice_of(run->records.data + begin, message_end(run, index) - begin);
}

/* ---- Positions ---- */

enum log_form { FORM_RANGE = 0, FORM_POSITIONS = 1, FORM_PAIRS = 2 };

static size_t log_item_size(uint8_t form)
{
    static const size_t sizes[] = {
        [FORM_RANGE] = 0, [FORM_POSITIONS] = 4, [FORM_PAIRS] = 4 + 8};
    return sizes[form];
}

uint32_t log_run_fit(const struct log_pair *pairs, uint32_t count)
{
    uint32_t fit = 1;
    while (fit < count && fit < RUN_POSITIONS_MAX &&
           pairs[fit].position - pairs[0].position <= UINT32_MAX)
        fit++;
    return fit;
}

static uint8_t log_form(const struct log_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (pairs[i].id != pairs[i].position)
            return FORM_PAIRS;
    bool gapless = pairs[count - 1].position - pairs[0].position == count - 1;
    return gapless ? FORM_RANGE : FORM_POSITIONS;
}

void log_run_encode(struct encoder *out, const struct log_pair *pairs,
                    uint32_t count)
{
    assert(count > 0 && count <= RUN_POSITIONS_MAX);
    uint8_t form = log_form(pairs, count);
    encoder_u16(out, (uint16_t)count);
    encoder_u8(out, form);
    for (uint32_t i = 0; form != FORM_RANGE && i < count; i++) {
        encoder_u32(out, (uint32_t)(pairs[i].position - pairs[0].position));
        if (form == FORM_PAIRS)
            encoder_u64(out, pairs[i].id);
    }
}

int log_run_decode(uint64_t first_position, struct slice content,
                   struct log_run *ret_run)
{
    struct decoder in = decoder_of(content);
    struct log_run run = {
        .first_position = first_position,
        .count = decoder_u16(&in),
    };
    run.form = decoder_u8(&in);
    if (in.failed || run.count == 0 || run.count > RUN_POSITIONS_MAX)
        return ERR_CORRUPT;
    if (run.form > FORM_PAIRS)
        return ERR_VERSION;
    run.table = decoder_bytes(&in, run.count * log_item_size(run.form)).data;
    if (!decoder_done(&in) || log_run_pair(&run, 0).position != first_position)
        return ERR_CORRUPT;
    for (uint32_t i = 1; i < run.count; i++)
        if (log_run_pair(&run, i - 1).position >=
            log_run_pair(&run, i).position)
            return ERR_CORRUPT;
    *ret_run = run;
    return 0;
}

struct log_pair log_run_pair(const struct log_run *run, uint32_t index)
{
    assert(index < run->count);
    const uint8_t *item = run->table + index * log_item_size(run->form);
    uint64_t offset = run->form == FORM_RANGE ? index : get_u32(item);
    uint64_t position = run->first_position + offset;
    return (struct log_pair){
        .position = position,
        .id = run->form == FORM_PAIRS ? get_u64(item + 4) : position,
    };
}

uint32_t log_run_find(const struct log_run *run, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = run->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (log_run_pair(run, middle).position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- Outcomes ---- */

enum { SETTLED_MAYBE_DUPLICATE = 1 };

static void settled_encode(struct encoder *out, uint64_t first_position,
                           const struct settled *item)
{
    encoder_u16(out, (uint16_t)(item->position - first_position));
    encoder_u8(out, (uint8_t)item->state);
    encoder_u8(out, (uint8_t)item->class);
    encoder_u16(out, item->status);
    encoder_u8(out, item->maybe_duplicate ? SETTLED_MAYBE_DUPLICATE : 0);
    encoder_u32(out, item->attempts);
    encoder_u32(out, item->duration_ms);
    encoder_u64(out, item->started_ms);
    encoder_u64(out, item->processed_ms);
}

static int settled_decode(struct decoder *in, uint64_t first_position,
                          struct settled *item)
{
    item->position = first_position + decoder_u16(in);
    uint8_t state = decoder_u8(in);
    uint8_t class = decoder_u8(in);
    item->status = decoder_u16(in);
    uint8_t flags = decoder_u8(in);
    item->attempts = decoder_u32(in);
    item->duration_ms = decoder_u32(in);
    item->started_ms = decoder_u64(in);
    item->processed_ms = decoder_u64(in);
    if (in->failed)
        return ERR_CORRUPT;
    if (state > DELIVERY_FILTERED || !attempt_class_known(class) ||
        (flags & ~SETTLED_MAYBE_DUPLICATE) != 0)
        return ERR_VERSION;
    item->state = (enum delivery_state)state;
    item->class = (enum attempt_class) class;
    item->maybe_duplicate = flags != 0;
    return 0;
}

int outcome_run_decode(uint64_t first_position, struct slice content,
                       struct outcome_run *ret_run)
{
    struct decoder in = decoder_of(content);
    struct outcome_run *run = ret_run;
    run->first_position = first_position;
    run->count = decoder_u16(&in);
    if (in.failed || run->count == 0 || run->count > RUN_OUTCOMES_MAX)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < run->count; i++) {
        int rc = settled_decode(&in, first_position, &run->items[i]);
        if (rc != 0)
            return rc;
        if (i > 0 && run->items[i - 1].position >= run->items[i].position)
            return ERR_CORRUPT;
    }
    return decoder_done(&in) ? 0 : ERR_CORRUPT;
}

void outcome_run_encode(struct encoder *out, const struct outcome_run *run)
{
    encoder_u16(out, (uint16_t)run->count);
    for (uint32_t i = 0; i < run->count; i++)
        settled_encode(out, run->first_position, &run->items[i]);
}

static uint32_t outcome_index(const struct outcome_run *run, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = run->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (run->items[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool outcome_run_takes(const struct outcome_run *run, uint64_t position)
{
    return run->count < RUN_OUTCOMES_MAX && position >= run->first_position &&
           position - run->first_position < RUN_OUTCOMES_SPAN;
}

void outcome_run_add(struct outcome_run *run, const struct settled *item)
{
    uint32_t index = outcome_index(run, item->position);
    struct settled *place = &run->items[index];
    if (index == run->count || place->position != item->position) {
        assert(outcome_run_takes(run, item->position));
        memmove(place + 1, place, (run->count - index) * sizeof *place);
        run->count++;
    }
    *place = *item;
}

const struct settled *outcome_run_find(const struct outcome_run *run,
                                       uint64_t position)
{
    uint32_t index = outcome_index(run, position);
    if (index == run->count || run->items[index].position != position)
        return NULL;
    return &run->items[index];
}

bool outcome_run_remove(struct outcome_run *run, uint64_t position)
{
    uint32_t index = outcome_index(run, position);
    if (index == run->count || run->items[index].position != position)
        return false;
    memmove(&run->items[index], &run->items[index + 1],
            (run->count - index - 1) * sizeof run->items[0]);
    run->count--;
    return true;
}

struct attempt settled_attempt(const struct settled *item)
{
    return (struct attempt){
        .number = item->attempts,
        .class = item->class,
        .status = item->status,
        .started_ms = item->started_ms,
        .duration_ms = item->duration_ms,
        .maybe_duplicate = item->maybe_duplicate,
    };
}
