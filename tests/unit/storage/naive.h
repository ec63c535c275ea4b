/* naive.h - the state machine told a second time, as simply as it can be.
 *
 * Plain arrays, one cell per publisher and message; every counter is counted
 * by looking at all cells whenever it is asked for. No cursor, no runs, no
 * indexes: where the store and this disagree, one of them is wrong.
 *
 * `twist` breaks one rule on purpose, to prove that a comparison notices. */
#ifndef POSTOFFICE_TESTS_STORAGE_NAIVE_H
#define POSTOFFICE_TESTS_STORAGE_NAIVE_H

#include "fixture.h"

/* A smaller one is quicker to make and to free. */
#ifndef NAIVE_MESSAGES_MAX
#define NAIVE_MESSAGES_MAX 40000
#endif

enum {
    NAIVE_NAMES = 5,
    NAIVE_TOPICS = 60,
    NAIVE_PUBLISHERS = 60,
    NAIVE_MESSAGES = NAIVE_MESSAGES_MAX,
    NAIVE_TRIES = 512,
    NAIVE_REPLAYS = 400,
    NAIVE_KEYS = FIXTURE_IDEMPOTENCY_KEYS,
};

enum naive_twist {
    TWIST_NONE,
    TWIST_TAKEOVER_WITHOUT_DOUBT,
    TWIST_WITHDRAW_COUNTS,
    TWIST_FILTERED_IN_BACKLOG,
    TWIST_STALE_GRANT_TAKEN,
    TWIST_KEY_NEVER_EXPIRES,
    TWIST_KEY_WITHOUT_SCOPE,
    TWIST_FAILURE_REMEMBERED,
    TWIST_PARKED_NOT_IN_BACKLOG,
    TWIST_STRICT_IGNORED,
    TWIST_HELD_KEY_OPENED,
    TWIST_POISON_IGNORED,
    TWIST_PARKED_OVERTAKEN,
    TWIST_UNPARK_OUT_OF_ORDER,
    TWIST_UNCOUNTED_COUNTS,
    TWIST_HOLDS_NEVER_END,
    TWIST_RETRY_WITHOUT_BUDGET,
    TWIST_RETRY_KEEPS_ORDER,
    TWIST_DISCARD_UNSEEN_BY_GRANT,
    TWIST_RELEASED_EARLY,
    TWIST_SCHEDULED_AT_ONCE,
    TWIST_REPLAY_NEVER_DONE,
    TWIST_REPLAY_STALE_TAKEN,
    TWIST_REPLAY_OUTLIVES,
    TWIST_DEAD_EXPIRES,
    TWIST_PARKED_EXPIRES,
    TWIST_BYTES_STAY,
    TWIST_CIRCUIT_SURVIVES_MOVE,
    TWIST_COUNT,
};

enum naive_status {
    NAIVE_UNSEEN,
    NAIVE_OPEN,
    NAIVE_WAITING,
    NAIVE_DEAD,
    NAIVE_AMBIGUOUS,
    NAIVE_DELIVERED,
    NAIVE_FILTERED,
    NAIVE_PARKED,
    NAIVE_DISCARDED,
    NAIVE_ABSENT, /* Removed before the publisher came. */
    NAIVE_STATUSES,
};

struct naive_try {
    uint32_t number;
    enum attempt_class class;
    uint16_t status;
    bool maybe_duplicate;
    uint32_t response_length;
};

struct naive_cell {
    enum naive_status status;
    uint32_t attempts; /* While open: the one under way counts. */
    uint32_t budget_from;
    uint32_t holds;
    uint32_t replay_id;
    bool doubt;
    bool ordered;
    uint64_t key; /* Of an ordered one. */
    uint64_t due_ms;
    uint64_t since_ms;
    uint32_t try_count;
    struct naive_try *tries; /* All that were ever made. */
};

struct naive_publisher {
    bool exists;
    bool purging;
    uint32_t topic_id;
    char target[16];
    enum guarantee guarantee;
    enum ordering ordering;
    enum poison on_poison;
    bool paused;
    uint64_t updated_ms;
    uint64_t start;
    uint64_t next;
    uint64_t last_delivered_ms;
    uint64_t last_error_ms;
    enum circuit_state circuit;
    uint64_t next_probe_ms;
    uint64_t throttled_until_ms;
    struct naive_cell *cells; /* By position. */
};

struct naive_topic {
    bool exists;
    char name[8];
    uint64_t retention_seconds;
    uint64_t bytes;
};

/* A message, by its id. */
struct naive_message {
    uint32_t topic_id;
    uint64_t received_ms;
    uint64_t schedule_ms;
    uint64_t key; /* Its hash; 0: none. */
    uint64_t size;
    uint64_t position; /* 0: none yet. */
    bool gone;
};

/* A request that was carried out under a key. It counts while its time is not
 * over; then its place may be another's. */
struct naive_key {
    uint64_t until_ms;
    uint32_t scope;
    uint8_t route;
    char key[8];
    uint8_t request_hash[REQUEST_HASH_SIZE];
    uint64_t id;
    uint32_t count;
};

struct naive {
    enum naive_twist twist;
    uint64_t clock_ms;
    uint32_t topic_count; /* That ever were; ids from 1. */
    struct naive_topic topics[NAIVE_TOPICS + 1];
    uint32_t publisher_count; /* That ever were; ids from 1. */
    struct naive_publisher publishers[NAIVE_PUBLISHERS + 1];
    uint64_t sequence; /* Ids and positions from 1. */
    struct naive_message messages[NAIVE_MESSAGES + 1];
    uint64_t at[NAIVE_MESSAGES + 1]; /* The id at a position; 0: none. */
    struct naive_key keys[NAIVE_KEYS];
    uint32_t replay_count;
    struct replay replays[NAIVE_REPLAYS + 1];
};

struct naive *naive_new(enum naive_twist twist);
void naive_free(struct naive *naive);

/* Each carries out one command and returns what the store's result must say.
 * The clock has been moved before. */
void naive_tick(struct naive *naive, uint64_t time_ms);
struct command_result naive_topic_create(struct naive *naive, const char *name);
struct command_result
naive_topic_update(struct naive *naive,
                   const struct command_topic_update *update);
struct command_result
naive_topic_delete(struct naive *naive,
                   const struct command_topic_delete *deletion);
struct command_result
naive_publisher_create(struct naive *naive,
                       const struct command_publisher_create *create);
struct command_result
naive_publisher_update(struct naive *naive,
                       const struct command_publisher_update *update);
struct command_result naive_publisher_delete(struct naive *naive, uint32_t id);
struct command_result naive_pause(struct naive *naive, uint32_t id,
                                  bool paused);
struct command_result naive_circuit(struct naive *naive,
                                    const struct command_circuit *circuit);
struct command_result naive_messages(struct naive *naive,
                                     const struct message *messages,
                                     uint32_t count);
/* Under a key. */
struct command_result naive_messages_once(struct naive *naive,
                                          const struct idempotency *request,
                                          const struct message *messages,
                                          uint32_t count);
struct command_result naive_release(struct naive *naive,
                                    const struct command_release *release);
struct command_result naive_expire(struct naive *naive,
                                   const struct command_expire *expire);
struct command_result naive_grant(struct naive *naive,
                                  const struct command_grant *grant);
struct command_result naive_unpark(struct naive *naive,
                                   const struct command_unpark *unpark);
struct command_result naive_outcomes(struct naive *naive,
                                     const struct command_outcomes *outcomes);
struct command_result naive_intent(struct naive *naive,
                                   const struct command_positions *positions);
struct command_result naive_withdraw(struct naive *naive,
                                     const struct command_positions *positions);
struct command_result naive_takeover(struct naive *naive, uint32_t node_id);
struct command_result naive_decision(struct naive *naive, bool discard,
                                     const struct command_decision *decision);
struct command_result
naive_decision_step(struct naive *naive, bool discard,
                    const struct command_decision_step *step);
struct command_result
naive_replay_start(struct naive *naive,
                   const struct command_replay_start *start);
struct command_result naive_replay_step(struct naive *naive,
                                        const struct command_replay_step *step);
struct command_result naive_replay_cancel(struct naive *naive, uint32_t id);

/* What the parts share. */
struct command_result naive_answer(const struct naive *naive, int code);
struct naive_publisher *naive_find(struct naive *naive, uint32_t id);
struct naive_topic *naive_topic(struct naive *naive, uint32_t id);
/* Kept positions; 0: none. The last one: kept or not. */
uint64_t naive_first_position(const struct naive *naive, uint32_t topic_id);
uint64_t naive_last_position(const struct naive *naive, uint32_t topic_id);
struct naive_cell *naive_cell_in(struct naive *naive, uint32_t publisher_id,
                                 uint64_t position, enum naive_status status);
void naive_settled(struct naive *naive, uint32_t replay_id);

/* The row of a key, by full scan; zeros: it is not blocked. */
struct blocked_key naive_blocked(const struct naive *naive,
                                 uint32_t publisher_id, uint64_t key);
bool naive_held(const struct naive *naive, uint32_t publisher_id, uint64_t key);
/* Ordered ones in a status: what holds up a strict order. */
uint32_t naive_ordered(const struct naive *naive, uint32_t publisher_id,
                       enum naive_status status);

/* The next message of a list, below `before`: where it stands, and its id. An
 * id of 0: there is none. */
struct search_place naive_list_next(const struct naive *naive,
                                    const struct message_query *query,
                                    struct search_place before,
                                    uint64_t *ret_id);
/* The publisher is one of the message's topic. */
enum explain_reason naive_explain(const struct naive *naive, uint64_t id,
                                  uint32_t publisher_id, uint64_t now_ms,
                                  uint64_t *ret_blocker);

/* The cells of one status, by full scan. */
uint32_t naive_count(const struct naive *naive, uint32_t publisher_id,
                     enum naive_status status);
/* There is, or was, a message of the publisher's there. */
bool naive_wants(const struct naive *naive, uint32_t publisher_id,
                 uint64_t position);

/* Compares all that the queries say with all that the arrays say; the first
 * difference is described in `words`, and false returned. `deep` looks at
 * every message, else at a few. */
bool naive_equals(const struct naive *naive, struct view *view,
                  struct arena *arena, bool deep, uint64_t *random, char *words,
                  size_t words_size);

#endif
