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

enum {
    NAIVE_TOPICS = 5,
    NAIVE_PUBLISHERS = 60,
    NAIVE_MESSAGES = 40000,
    NAIVE_TRIES = 64,
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
    bool doubt;
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
    bool paused;
    uint64_t start;
    uint64_t next;
    uint64_t last_delivered_ms;
    uint64_t last_error_ms;
    struct naive_cell *cells; /* By position. */
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
    uint32_t topic_count;
    char topic_names[NAIVE_TOPICS + 1][8];
    uint32_t publisher_count; /* That ever were; ids from 1. */
    struct naive_publisher publishers[NAIVE_PUBLISHERS + 1];
    uint64_t message_count; /* Ids and positions from 1. */
    uint32_t message_topic[NAIVE_MESSAGES + 1];
    uint64_t message_received_ms[NAIVE_MESSAGES + 1];
    struct naive_key keys[NAIVE_KEYS];
};

struct naive *naive_new(enum naive_twist twist);
void naive_free(struct naive *naive);

/* Each carries out one command and returns what the store's result must say.
 * The clock has been moved before. */
void naive_tick(struct naive *naive, uint64_t time_ms);
struct command_result naive_topic_create(struct naive *naive, const char *name);
struct command_result naive_publisher_create(struct naive *naive,
                                             uint32_t topic_id,
                                             const char *target, bool from_now,
                                             bool paused,
                                             enum guarantee guarantee);
struct command_result naive_publisher_delete(struct naive *naive, uint32_t id);
struct command_result naive_pause(struct naive *naive, uint32_t id,
                                  bool paused);
struct command_result naive_messages(struct naive *naive,
                                     const uint32_t *topic_ids, uint32_t count);
/* Under a key. */
struct command_result naive_messages_once(struct naive *naive,
                                          const struct idempotency *request,
                                          const uint32_t *topic_ids,
                                          uint32_t count);
struct command_result naive_grant(struct naive *naive,
                                  const struct command_grant *grant);
struct command_result naive_outcomes(struct naive *naive,
                                     const struct command_outcomes *outcomes);
struct command_result naive_intent(struct naive *naive,
                                   const struct command_positions *positions);
struct command_result naive_withdraw(struct naive *naive,
                                     const struct command_positions *positions);
struct command_result naive_takeover(struct naive *naive, uint32_t node_id);

/* The cells of one status, by full scan. */
uint32_t naive_count(const struct naive *naive, uint32_t publisher_id,
                     enum naive_status status);
bool naive_wants(const struct naive *naive, uint32_t publisher_id,
                 uint64_t position);

/* Compares all that the queries say with all that the arrays say; the first
 * difference is described in `words`, and false returned. `deep` looks at
 * every message, else at a few. */
bool naive_equals(const struct naive *naive, struct view *view,
                  struct arena *arena, bool deep, uint64_t *random, char *words,
                  size_t words_size);

#endif
