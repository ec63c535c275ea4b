/* What people and the circuit decide about deliveries: circuit, retry, discard,
 * replay. */
#include "base/memory.h"
#include "storage/attempt.h"
#include "storage/command.h"

/* A state in a command: every one of today's, or a newer program's. */
static int state_take(struct decoder *in, enum delivery_state *ret_state)
{
    uint8_t state = decoder_u8(in);
    if (in->failed)
        return ERR_CORRUPT;
    if (state > DELIVERY_FILTERED)
        return ERR_VERSION;
    *ret_state = (enum delivery_state)state;
    return 0;
}

/* ---- Circuit ---- */

void circuit_encode(struct encoder *out, const struct circuit *circuit)
{
    encoder_u8(out, (uint8_t)circuit->state);
    encoder_u64(out, circuit->since_ms);
    encoder_u32(out, circuit->failures);
    encoder_u32(out, circuit->step);
    encoder_u64(out, circuit->next_probe_ms);
    attempt_encode(out, &circuit->error);
}

int circuit_decode(struct decoder *in, struct circuit *ret_circuit)
{
    struct circuit circuit = {0};
    uint8_t state = decoder_u8(in);
    circuit.since_ms = decoder_u64(in);
    circuit.failures = decoder_u32(in);
    circuit.step = decoder_u32(in);
    circuit.next_probe_ms = decoder_u64(in);
    int rc = attempt_decode(in, &circuit.error);
    if (rc == 0 && state > CIRCUIT_RAMPING)
        rc = ERR_VERSION;
    if (rc != 0)
        return rc;
    circuit.state = (enum circuit_state)state;
    *ret_circuit = circuit;
    return 0;
}

void command_circuit_encode(struct encoder *out, uint64_t time_ms,
                            const struct command_circuit *circuit)
{
    size_t begun = command_begin(out, COMMAND_CIRCUIT, time_ms);
    encoder_u32(out, circuit->publisher_id);
    encoder_u64(out, circuit->throttled_until_ms);
    circuit_encode(out, &circuit->circuit);
    command_end(out, begun);
}

int command_circuit_decode(struct slice body, struct command_circuit *ret)
{
    struct decoder in = decoder_of(body);
    struct command_circuit circuit = {.publisher_id = decoder_u32(&in)};
    circuit.throttled_until_ms = decoder_u64(&in);
    int rc = circuit_decode(&in, &circuit.circuit);
    if (rc == 0)
        rc = decoder_end(&in);
    if (rc == 0)
        *ret = circuit;
    return rc;
}

/* ---- Retry, discard ---- */

void command_decision_encode(struct encoder *out, enum command_type type,
                             uint64_t time_ms,
                             const struct command_decision *decision)
{
    size_t begun = command_begin(out, type, time_ms);
    encoder_u64(out, decision->message_id);
    encoder_u32(out, decision->publisher_id);
    command_end(out, begun);
}

int command_decision_decode(struct slice body, struct command_decision *ret)
{
    struct decoder in = decoder_of(body);
    struct command_decision decision = {.message_id = decoder_u64(&in)};
    decision.publisher_id = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret = decision;
    return rc;
}

void command_decision_step_encode(struct encoder *out, enum command_type type,
                                  uint64_t time_ms,
                                  const struct command_decision_step *step)
{
    size_t begun = command_begin(out, type, time_ms);
    encoder_u32(out, step->publisher_id);
    encoder_u8(out, (uint8_t)step->state);
    encoder_u64(out, step->from);
    encoder_u64(out, step->upto);
    encoder_u32(out, step->rows_max);
    command_end(out, begun);
}

int command_decision_step_decode(struct slice body,
                                 struct command_decision_step *ret)
{
    struct decoder in = decoder_of(body);
    struct command_decision_step step = {.publisher_id = decoder_u32(&in)};
    int rc = state_take(&in, &step.state);
    step.from = decoder_u64(&in);
    step.upto = decoder_u64(&in);
    step.rows_max = decoder_u32(&in);
    if (rc == 0)
        rc = decoder_end(&in);
    if (rc == 0)
        *ret = step;
    return rc;
}

/* ---- Replay ---- */

void command_replay_start_encode(struct encoder *out, uint64_t time_ms,
                                 const struct command_replay_start *start)
{
    size_t begun = command_begin(out, COMMAND_REPLAY_START, time_ms);
    encoder_u32(out, start->publisher_id);
    encoder_u64(out, start->from);
    encoder_u64(out, start->upto);
    encoder_u8(out, start->any_state);
    encoder_u8(out, (uint8_t)start->wanted);
    encoder_string(out, start->filter);
    command_end(out, begun);
}

int command_replay_start_decode(struct slice body,
                                struct command_replay_start *ret)
{
    struct decoder in = decoder_of(body);
    struct command_replay_start start = {.publisher_id = decoder_u32(&in)};
    start.from = decoder_u64(&in);
    start.upto = decoder_u64(&in);
    uint8_t any_state = decoder_u8(&in);
    int rc = state_take(&in, &start.wanted);
    start.filter = decoder_string(&in);
    if (rc == 0)
        rc = decoder_end(&in);
    if (rc == 0 && any_state > 1)
        rc = ERR_CORRUPT;
    if (rc != 0)
        return rc;
    start.any_state = any_state == 1;
    *ret = start;
    return 0;
}

void command_replay_step_encode(struct encoder *out, uint64_t time_ms,
                                const struct command_replay_step *step)
{
    size_t begun = command_begin(out, COMMAND_REPLAY_STEP, time_ms);
    encoder_u32(out, step->replay_id);
    encoder_u64(out, step->from);
    encoder_u64(out, step->upto);
    encoder_u32(out, step->count);
    for (uint32_t i = 0; i < step->count; i++)
        encoder_u64(out, step->positions[i]);
    command_end(out, begun);
}

int command_replay_step_decode(struct slice body, struct arena *arena,
                               struct command_replay_step *ret)
{
    struct decoder in = decoder_of(body);
    struct command_replay_step step = {.replay_id = decoder_u32(&in)};
    step.from = decoder_u64(&in);
    step.upto = decoder_u64(&in);
    step.count = decoder_u32(&in);
    if (in.failed || decoder_left(&in) != (size_t)step.count * 8)
        return ERR_CORRUPT;
    uint64_t *positions =
        arena_try(arena, (size_t)step.count * sizeof *positions);
    if (positions == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < step.count; i++)
        positions[i] = decoder_u64(&in);
    step.positions = positions;
    *ret = step;
    return 0;
}

void command_replay_cancel_encode(struct encoder *out, uint64_t time_ms,
                                  uint32_t replay_id)
{
    size_t begun = command_begin(out, COMMAND_REPLAY_CANCEL, time_ms);
    encoder_u32(out, replay_id);
    command_end(out, begun);
}

int command_replay_cancel_decode(struct slice body, uint32_t *ret_replay_id)
{
    struct decoder in = decoder_of(body);
    uint32_t replay_id = decoder_u32(&in);
    int rc = decoder_end(&in);
    if (rc == 0)
        *ret_replay_id = replay_id;
    return rc;
}
