#include "breaker.h"

#include "backoff.h"

static void keep_error(struct breaker *breaker, const struct attempt *attempt)
{
    size_t length = attempt->response.length;
    if (length > sizeof breaker->text)
        length = sizeof breaker->text;
    if (length > 0)
        memcpy(breaker->text, attempt->response.data, length);
    breaker->circuit.error = *attempt;
    breaker->circuit.error.response = slice_of(breaker->text, length);
}

static void move(struct breaker *breaker, enum circuit_state state,
                 uint64_t now_ms)
{
    breaker->circuit.state = state;
    breaker->circuit.since_ms = now_ms;
    breaker->changed = true;
}

void breaker_init(struct breaker *breaker, const struct circuit *circuit)
{
    *breaker = (struct breaker){.circuit = *circuit, .window = 1};
    keep_error(breaker, &circuit->error);
    breaker->many = circuit->failures > 0; /* Whose they were is forgotten. */
}

uint32_t breaker_window(const struct breaker *breaker,
                        const struct breaker_options *options, uint64_t now_ms)
{
    switch (breaker->circuit.state) {
    case CIRCUIT_OPEN:
        return breaker->circuit.next_probe_ms <= now_ms ? 1 : 0;
    case CIRCUIT_RAMPING:
        return breaker->window < options->max_in_flight
                   ? breaker->window
                   : options->max_in_flight;
    case CIRCUIT_CLOSED:
        break;
    }
    return options->max_in_flight;
}

uint64_t breaker_wake_ms(const struct breaker *breaker, uint64_t now_ms)
{
    return breaker_is_open(breaker) && breaker->circuit.next_probe_ms > now_ms
               ? breaker->circuit.next_probe_ms
               : 0;
}

bool breaker_is_outage(enum attempt_class class)
{
    return class == ATTEMPT_CONNECT || class == ATTEMPT_DNS ||
           class == ATTEMPT_TLS || class == ATTEMPT_TIMEOUT ||
           class == ATTEMPT_POLICY;
}

void breaker_succeeded(struct breaker *breaker,
                       const struct breaker_options *options, uint64_t now_ms)
{
    struct circuit *circuit = &breaker->circuit;
    circuit->failures = 0;
    if (circuit->state == CIRCUIT_OPEN) {
        breaker->window = 1;
        circuit->next_probe_ms = 0;
        move(breaker, CIRCUIT_RAMPING, now_ms);
    }
    if (circuit->state != CIRCUIT_RAMPING)
        return;
    breaker->window++;
    if (breaker->window >= options->max_in_flight) {
        circuit->step = 0;
        circuit->error = (struct attempt){0};
        move(breaker, CIRCUIT_CLOSED, now_ms);
    }
}

static void plan_probe(struct breaker *breaker,
                       const struct breaker_options *options, uint64_t random,
                       uint64_t now_ms)
{
    breaker->circuit.step++;
    breaker->circuit.next_probe_ms =
        now_ms + backoff_ms(options->retry_seconds, options->retry_seconds_max,
                            breaker->circuit.step, random);
    breaker->changed = true;
}

static void count_failure(struct breaker *breaker, uint64_t position,
                          enum attempt_class class)
{
    if (breaker->circuit.failures++ == 0) {
        breaker->failing = position;
        breaker->many = false;
        breaker->reached = false;
    }
    breaker->many |= breaker->failing != position;
    breaker->reached |= !breaker_is_outage(class);
}

bool breaker_failed(struct breaker *breaker,
                    const struct breaker_options *options, uint64_t position,
                    const struct attempt *attempt, bool probe, uint64_t random,
                    uint64_t now_ms)
{
    struct circuit *circuit = &breaker->circuit;
    count_failure(breaker, position, attempt->class);
    if (circuit->state == CIRCUIT_OPEN) {
        /* What was under way when it opened is no probe. */
        if (probe) {
            keep_error(breaker, attempt);
            plan_probe(breaker, options, random, now_ms);
        }
        return false;
    }
    if (circuit->failures < BREAKER_FAILURES ||
        (!breaker->many && breaker->reached))
        return false;
    keep_error(breaker, attempt);
    move(breaker, CIRCUIT_OPEN, now_ms);
    plan_probe(breaker, options, random, now_ms);
    return true;
}

void breaker_held(struct breaker *breaker, uint64_t until_ms)
{
    if (!breaker_is_open(breaker) || breaker->circuit.next_probe_ms >= until_ms)
        return;
    breaker->circuit.next_probe_ms = until_ms;
    breaker->changed = true;
}

void breaker_close(struct breaker *breaker, uint64_t now_ms)
{
    if (breaker->circuit.state != CIRCUIT_CLOSED)
        move(breaker, CIRCUIT_CLOSED, now_ms);
    breaker->circuit.failures = 0;
    breaker->circuit.step = 0;
    breaker->circuit.next_probe_ms = 0;
    breaker->circuit.error = (struct attempt){0};
}

bool breaker_told(struct breaker *breaker)
{
    bool changed = breaker->changed;
    breaker->changed = false;
    return changed;
}
