/* slots.h - the open positions of one pipeline, by token and by position.
 *
 * Few (at most twice max_in_flight, or what a takeover found open), so an
 * array searched from its start is enough. A token is an index and a
 * generation: an answer that comes for a slot's earlier use finds nothing.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_SLOTS_H
#define POSTOFFICE_DELIVERY_SLOTS_H

#include "letter.h"
#include "storage/command.h"

enum slot_state {
    SLOT_FREE,
    SLOT_LOADING,  /* Open since before this node led, or not as it was
                    * proposed: being read. */
    SLOT_PROPOSED, /* Its grant or intent is on the way. */
    SLOT_READY,
    SLOT_SENDING,
    SLOT_ANSWERED, /* Its outcome is known, not yet proposed. */
    SLOT_SETTLING, /* Its outcome (or withdrawal) is on the way. */
};

struct slot {
    enum slot_state state;
    uint32_t generation;
    uint64_t position;
    struct letter *letter;  /* NULL: open since before this node led. */
    uint32_t attempt;       /* The number of the attempt that is open. */
    uint32_t budget_from;   /* Attempts before it do not count. */
    uint32_t holds;         /* Retry-After answers in a row. */
    uint32_t replay_id;     /* 0: none. */
    uint64_t key;           /* Of an ordered message; 0: none. */
    uint64_t hold_until_ms; /* Retry-After of this answer; 0: none. */
    bool doubt;
    bool ordered;   /* It holds its place in the order. */
    bool probe;     /* Sent while the circuit was open. */
    bool withdrawn; /* SETTLING without having been sent. */
    uint32_t batch; /* Of the command that is on the way. */
    struct outcome outcome;
    char *response; /* Owned copy behind outcome.attempt.response. */
};

struct slots {
    struct slot *array;
    uint32_t capacity;
    uint32_t window; /* Those that count against max_in_flight. */
    uint32_t used;   /* All that are not free. */
    uint32_t by_state[SLOT_SETTLING + 1];
};

struct slot *slots_take(struct slots *slots, enum slot_state state,
                        uint64_t position);
void slots_move(struct slots *slots, struct slot *slot, enum slot_state state);
void slots_release(struct slots *slots, struct slot *slot);
bool slots_has(const struct slots *slots, uint64_t position);
struct slot *slots_at(const struct slots *slots, uint64_t position);
struct slot *slots_of_token(const struct slots *slots, uint64_t token);
uint64_t slots_token(const struct slots *slots, const struct slot *slot);
/* The first slot in `state` at or behind index *place, which is moved on. */
struct slot *slots_next(const struct slots *slots, enum slot_state state,
                        uint32_t *place);
/* The same of those that are LOADING and were opened under this leader. */
struct slot *slots_reloading(const struct slots *slots, uint32_t *place);
void slots_close(struct slots *slots);

#endif
