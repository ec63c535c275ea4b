/* Grants, outcomes, intents and withdrawals: lists of positions of one
 * publisher. A count is believed only as far as there are bytes for it. What
 * a well-formed list means, apply decides. */
#include "base/memory.h"
#include "storage/attempt.h"
#include "storage/command.h"

enum outcome_flag {
    OUTCOME_UNCOUNTED = 1,
    OUTCOME_HELD = 2,
    OUTCOME_FLAGS = 3
};
enum { POSITION_SIZE = 8, OUTCOME_SIZE_MIN = 8 + 1 + 1 + 8 + 24 };

static void positions_encode(struct encoder *out, const uint64_t *positions,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        encoder_u64(out, positions[i]);
}

static int positions_take(struct decoder *in, uint32_t count,
                          struct arena *arena, const uint64_t **ret)
{
    if (in->failed || decoder_left(in) / POSITION_SIZE < count)
        return ERR_CORRUPT;
    uint64_t *positions = arena_try(arena, (size_t)count * sizeof *positions);
    if (positions == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        positions[i] = decoder_u64(in);
    *ret = positions;
    return 0;
}

/* They are the last thing in the body. */
static int positions_decode(struct decoder *in, uint32_t count,
                            struct arena *arena, const uint64_t **ret)
{
    int rc = positions_take(in, count, arena, ret);
    return rc == 0 && !decoder_done(in) ? ERR_CORRUPT : rc;
}

/* Whether the hashes of keys follow the open positions. */
enum { GRANT_KEYS = 1 };

void command_grant_encode(struct encoder *out, uint64_t time_ms,
                          const struct command_grant *grant)
{
    size_t begun = command_begin(out, COMMAND_GRANT, time_ms);
    encoder_u32(out, grant->publisher_id);
    encoder_u64(out, grant->from);
    encoder_u64(out, grant->upto);
    encoder_u32(out, grant->examined);
    encoder_u32(out, grant->open_count);
    encoder_u32(out, grant->parked_count);
    encoder_u32(out, grant->discarded_count);
    encoder_u8(out, grant->open_keys != NULL ? GRANT_KEYS : 0);
    positions_encode(out, grant->open, grant->open_count);
    if (grant->open_keys != NULL)
        positions_encode(out, grant->open_keys, grant->open_count);
    positions_encode(out, grant->parked, grant->parked_count);
    positions_encode(out, grant->parked_keys, grant->parked_count);
    positions_encode(out, grant->discarded, grant->discarded_count);
    command_end(out, begun);
}

int command_grant_decode(struct slice body, struct arena *arena,
                         struct command_grant *ret)
{
    struct decoder in = decoder_of(body);
    struct command_grant grant = {.publisher_id = decoder_u32(&in)};
    grant.from = decoder_u64(&in);
    grant.upto = decoder_u64(&in);
    grant.examined = decoder_u32(&in);
    grant.open_count = decoder_u32(&in);
    grant.parked_count = decoder_u32(&in);
    grant.discarded_count = decoder_u32(&in);
    uint8_t flags = decoder_u8(&in);
    if (!in.failed && (flags & ~GRANT_KEYS) != 0)
        return ERR_VERSION;
    int rc = positions_take(&in, grant.open_count, arena, &grant.open);
    if (rc == 0 && (flags & GRANT_KEYS) != 0)
        rc = positions_take(&in, grant.open_count, arena, &grant.open_keys);
    if (rc == 0)
        rc = positions_take(&in, grant.parked_count, arena, &grant.parked);
    if (rc == 0)
        rc = positions_take(&in, grant.parked_count, arena, &grant.parked_keys);
    if (rc == 0)
        rc =
            positions_take(&in, grant.discarded_count, arena, &grant.discarded);
    if (rc == 0 && !decoder_done(&in))
        rc = ERR_CORRUPT;
    if (rc == 0)
        *ret = grant;
    return rc;
}

void command_unpark_encode(struct encoder *out, uint64_t time_ms,
                           const struct command_unpark *unpark)
{
    size_t begun = command_begin(out, COMMAND_UNPARK, time_ms);
    encoder_u32(out, unpark->publisher_id);
    encoder_u64(out, unpark->key);
    encoder_u64(out, unpark->from);
    encoder_u64(out, unpark->upto);
    encoder_u32(out, unpark->examined);
    encoder_u32(out, unpark->open_count);
    positions_encode(out, unpark->open, unpark->open_count);
    command_end(out, begun);
}

int command_unpark_decode(struct slice body, struct arena *arena,
                          struct command_unpark *ret)
{
    struct decoder in = decoder_of(body);
    struct command_unpark unpark = {.publisher_id = decoder_u32(&in)};
    unpark.key = decoder_u64(&in);
    unpark.from = decoder_u64(&in);
    unpark.upto = decoder_u64(&in);
    unpark.examined = decoder_u32(&in);
    unpark.open_count = decoder_u32(&in);
    int rc = positions_decode(&in, unpark.open_count, arena, &unpark.open);
    if (rc == 0)
        *ret = unpark;
    return rc;
}

void command_positions_encode(struct encoder *out, enum command_type type,
                              uint64_t time_ms,
                              const struct command_positions *positions)
{
    size_t begun = command_begin(out, type, time_ms);
    encoder_u32(out, positions->publisher_id);
    encoder_u32(out, positions->count);
    positions_encode(out, positions->positions, positions->count);
    command_end(out, begun);
}

int command_positions_decode(struct slice body, struct arena *arena,
                             struct command_positions *ret)
{
    struct decoder in = decoder_of(body);
    struct command_positions positions = {.publisher_id = decoder_u32(&in)};
    positions.count = decoder_u32(&in);
    int rc =
        positions_decode(&in, positions.count, arena, &positions.positions);
    if (rc == 0)
        *ret = positions;
    return rc;
}

void command_outcomes_encode(struct encoder *out, uint64_t time_ms,
                             const struct command_outcomes *outcomes)
{
    size_t begun = command_begin(out, COMMAND_OUTCOMES, time_ms);
    encoder_u32(out, outcomes->publisher_id);
    encoder_u32(out, outcomes->count);
    for (uint32_t i = 0; i < outcomes->count; i++) {
        const struct outcome *outcome = &outcomes->outcomes[i];
        encoder_u64(out, outcome->position);
        encoder_u8(out, (uint8_t)outcome->state);
        encoder_u8(out, (uint8_t)((outcome->uncounted ? OUTCOME_UNCOUNTED : 0) |
                                  (outcome->held ? OUTCOME_HELD : 0)));
        encoder_u64(out, outcome->next_attempt_ms);
        attempt_encode(out, &outcome->attempt);
    }
    command_end(out, begun);
}

static bool state_is_outcome(uint8_t state)
{
    return state == DELIVERY_DELIVERED || state == DELIVERY_RETRYING ||
           state == DELIVERY_DEAD || state == DELIVERY_AMBIGUOUS;
}

static int outcome_decode(struct decoder *in, struct outcome *outcome)
{
    outcome->position = decoder_u64(in);
    uint8_t state = decoder_u8(in);
    uint8_t flags = decoder_u8(in);
    outcome->next_attempt_ms = decoder_u64(in);
    int rc = attempt_decode(in, &outcome->attempt);
    if (rc == 0 && (!state_is_outcome(state) || (flags & ~OUTCOME_FLAGS) != 0))
        rc = ERR_VERSION;
    if (rc != 0)
        return rc;
    outcome->state = (enum delivery_state)state;
    outcome->uncounted = (flags & OUTCOME_UNCOUNTED) != 0;
    outcome->held = (flags & OUTCOME_HELD) != 0;
    return 0;
}

int command_outcomes_decode(struct slice body, struct arena *arena,
                            struct command_outcomes *ret)
{
    struct decoder in = decoder_of(body);
    uint32_t publisher_id = decoder_u32(&in);
    uint32_t count = decoder_u32(&in);
    if (in.failed || decoder_left(&in) / OUTCOME_SIZE_MIN < count)
        return ERR_CORRUPT;
    struct outcome *outcomes =
        arena_try(arena, (size_t)count * sizeof *outcomes);
    if (outcomes == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        int rc = outcome_decode(&in, &outcomes[i]);
        if (rc != 0)
            return rc;
    }
    if (!decoder_done(&in))
        return ERR_CORRUPT;
    *ret = (struct command_outcomes){
        .publisher_id = publisher_id, .count = count, .outcomes = outcomes};
    return 0;
}
