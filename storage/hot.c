/* The open set is a sorted array: at most BOUND_OPEN_POSITIONS, written as a
 * whole, and looked up by position for every outcome. */
#include "storage/hot.h"

#include "base/error.h"
#include "base/memory.h"
#include "storage/attempt.h"

#include <assert.h>
#include <stdlib.h>

enum { OPEN_SIZE_MIN = 8 + 4 + 1 };
enum open_flag {
    OPEN_DOUBT = 1,
    OPEN_ORDERED = 2,
    OPEN_RECORDED = 4,
    OPEN_KEY = 8, /* It follows. */
    OPEN_FLAGS = 15,
};

void hot_close(struct hot *hot)
{
    free(hot->open);
    *hot = (struct hot){0};
}

/* One order for writing and reading the numbers. */
#define HOT_NUMBERS(X)                                                         \
    X(start)                                                                   \
    X(start_count)                                                             \
    X(next)                                                                    \
    X(passed)                                                                  \
    X(ahead)                                                                   \
    X(delivered)                                                               \
    X(filtered)                                                                \
    X(dead)                                                                    \
    X(discarded)                                                               \
    X(ambiguous)                                                               \
    X(retrying)                                                                \
    X(parked)                                                                  \
    X(ordered_waits)                                                           \
    X(ordered_stuck)                                                           \
    X(throttled_until_ms)                                                      \
    X(last_delivered_ms)                                                       \
    X(last_error_ms)

static void open_encode(struct encoder *out, const struct open_position *open)
{
    encoder_u64(out, open->position);
    encoder_u32(out, open->attempt);
    encoder_u8(out, (uint8_t)((open->doubt ? OPEN_DOUBT : 0) |
                              (open->ordered ? OPEN_ORDERED : 0) |
                              (open->recorded ? OPEN_RECORDED : 0) |
                              (open->key != 0 ? OPEN_KEY : 0)));
    if (open->key != 0)
        encoder_u64(out, open->key);
}

void hot_encode(struct encoder *out, const struct hot *hot)
{
#define HOT_WRITE(name) encoder_u64(out, hot->name);
    HOT_NUMBERS(HOT_WRITE)
#undef HOT_WRITE
    if (hot->last_error_ms != 0)
        attempt_encode(out, &hot->last_error);
    circuit_encode(out, &hot->circuit);
    encoder_u32(out, hot->open_count);
    for (uint32_t i = 0; i < hot->open_count; i++)
        open_encode(out, &hot->open[i]);
}

static int open_decode(struct decoder *in, struct hot *hot)
{
    uint32_t count = decoder_u32(in);
    if (in->failed || count > BOUND_OPEN_POSITIONS ||
        decoder_left(in) < (size_t)count * OPEN_SIZE_MIN)
        return ERR_CORRUPT;
    if (count > 0)
        hot->open = memory_new(count * sizeof *hot->open);
    hot->open_capacity = count;
    hot->open_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct open_position *open = &hot->open[i];
        open->position = decoder_u64(in);
        open->attempt = decoder_u32(in);
        uint8_t flags = decoder_u8(in);
        open->key = (flags & OPEN_KEY) != 0 ? decoder_u64(in) : 0;
        if (in->failed || (i > 0 && open[-1].position >= open->position))
            return ERR_CORRUPT;
        if ((flags & ~OPEN_FLAGS) != 0)
            return ERR_VERSION;
        open->doubt = (flags & OPEN_DOUBT) != 0;
        open->ordered = (flags & OPEN_ORDERED) != 0;
        open->recorded = (flags & OPEN_RECORDED) != 0;
    }
    return decoder_done(in) ? 0 : ERR_CORRUPT;
}

int hot_decode(struct slice content, struct hot *ret_hot)
{
    struct hot *hot = ret_hot;
    *hot = (struct hot){0};
    struct decoder in = decoder_of(content);
    int rc = 0;
#define HOT_READ(name) hot->name = decoder_u64(&in);
    HOT_NUMBERS(HOT_READ)
#undef HOT_READ
    if (hot->last_error_ms != 0) {
        struct attempt attempt;
        rc = attempt_decode(&in, &attempt);
        if (rc == 0)
            hot_set_error(hot, hot->last_error_ms, &attempt);
    }
    struct circuit circuit;
    if (rc == 0)
        rc = circuit_decode(&in, &circuit);
    if (rc == 0) {
        hot_set_circuit(hot, &circuit);
        rc = open_decode(&in, hot);
    }
    if (rc != 0)
        hot_close(hot);
    return rc;
}

uint64_t hot_entered(const struct hot *hot, uint64_t topic_messages)
{
    return topic_messages - hot->start_count;
}

uint64_t hot_backlog(const struct hot *hot, uint64_t topic_messages)
{
    return hot_entered(hot, topic_messages) - hot->passed - hot->ahead +
           hot->open_count + hot->retrying + hot->parked;
}

/* The index of the first open position at or above `position`. */
static uint32_t open_index(const struct hot *hot, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = hot->open_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (hot->open[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct open_position *hot_find(struct hot *hot, uint64_t position)
{
    uint32_t index = open_index(hot, position);
    if (index == hot->open_count || hot->open[index].position != position)
        return NULL;
    return &hot->open[index];
}

void hot_open(struct hot *hot, struct open_position position)
{
    assert(hot->open_count < BOUND_OPEN_POSITIONS);
    if (hot->open_count == hot->open_capacity) {
        uint32_t capacity = hot->open_capacity == 0 ? 16 : 2 * hot->open_count;
        hot->open = memory_resize(hot->open, capacity * sizeof *hot->open);
        hot->open_capacity = capacity;
    }
    uint32_t index = open_index(hot, position.position);
    struct open_position *place = &hot->open[index];
    memmove(place + 1, place, (hot->open_count - index) * sizeof *place);
    *place = position;
    hot->open_count++;
}

void hot_shut(struct hot *hot, struct open_position *open)
{
    size_t behind = (size_t)(hot->open + hot->open_count - (open + 1));
    memmove(open, open + 1, behind * sizeof *open);
    hot->open_count--;
}

/* What is set may be what was there: the texts may overlap. */
static void take_response(struct attempt *attempt, uint8_t *text,
                          struct slice response)
{
    size_t length = response.length;
    if (length > BOUND_RESPONSE_KEPT_OLD)
        length = BOUND_RESPONSE_KEPT_OLD;
    if (length > 0)
        memmove(text, response.data, length);
    attempt->response = slice_of(text, length);
}

void hot_set_error(struct hot *hot, uint64_t time_ms,
                   const struct attempt *attempt)
{
    hot->last_error = *attempt;
    take_response(&hot->last_error, hot->last_error_text, attempt->response);
    hot->last_error_ms = time_ms;
}

void hot_set_circuit(struct hot *hot, const struct circuit *circuit)
{
    hot->circuit = *circuit;
    take_response(&hot->circuit.error, hot->circuit_text,
                  circuit->error.response);
}
