/* breaker.h - the circuit of one publisher: an outage of its target must cost
 * neither attempts nor work, and end by itself.
 *
 *            five failures in a row, of at least two messages
 *            or all by connection, DNS, TLS, timeout or policy
 *   CLOSED ---------------------------------------------------> OPEN <---+
 *      ^                                                         |  |    |
 * probe |      window = max_in_flight                 probe gets  |  +----+
 * fails
 *      +------------------------------- RAMPING <----------------+
 *                                          |         through     ^
 *                                          +-- failures as above-+
 *
 * OPEN: one message at a time is sent, a *probe*, spaced by the same backoff
 * as a message's retries. Once one gets through the window grows from one by
 * one with every success, so that it doubles with every round: a receiver that
 * comes back is not met by everything at once. A circuit that opens while it
 * ramps goes on with its spacing where it was.
 *
 * What it decides is told to the log (COMMAND_CIRCUIT), so that the next
 * leader goes on from there. A pure state machine; times are wall-clock
 * milliseconds. Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_BREAKER_H
#define POSTOFFICE_DELIVERY_BREAKER_H

#include "base/bounds.h"
#include "storage/model.h"

enum { BREAKER_FAILURES = 5 };

struct breaker {
    struct circuit circuit; /* Its error's response lies in `text`. */
    uint8_t text[BOUND_RESPONSE_KEPT_OLD];
    uint32_t window;  /* While RAMPING. */
    uint64_t failing; /* The first position of the failures in a row, ... */
    bool many;        /* ... of which not all are of that position, ... */
    bool reached;     /* ... and one of which reached the target. */
    bool changed;     /* Since breaker_told(): the log is to be told. */
};

struct breaker_options {
    uint32_t retry_seconds;
    uint32_t retry_seconds_max;
    uint32_t max_in_flight;
};

/* Goes on where the log says. Copies. */
void breaker_init(struct breaker *breaker, const struct circuit *circuit);

/* How many requests may be under way now. */
uint32_t breaker_window(const struct breaker *breaker,
                        const struct breaker_options *options, uint64_t now_ms);
/* When that will change by itself; 0: it will not. */
uint64_t breaker_wake_ms(const struct breaker *breaker, uint64_t now_ms);
static inline bool breaker_is_open(const struct breaker *breaker)
{
    return breaker->circuit.state == CIRCUIT_OPEN;
}

/* The target could not be reached, or did not answer: no status, and nothing
 * that a receiver said. */
bool breaker_is_outage(enum attempt_class class);

void breaker_succeeded(struct breaker *breaker,
                       const struct breaker_options *options, uint64_t now_ms);
/* `probe`: it was sent while the circuit was open already. `random` spreads
 * probes. Returns whether the circuit has just opened. */
bool breaker_failed(struct breaker *breaker,
                    const struct breaker_options *options, uint64_t position,
                    const struct attempt *attempt, bool probe, uint64_t random,
                    uint64_t now_ms);
/* The target lives and asks for patience: no probe before that. */
void breaker_held(struct breaker *breaker, uint64_t until_ms);
/* The target is another one now, or a person says: try. */
void breaker_close(struct breaker *breaker, uint64_t now_ms);

/* Whether the log is to be told; once for each change. */
bool breaker_told(struct breaker *breaker);

#endif
