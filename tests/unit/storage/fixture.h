/* fixture.h - what the storage tests share: a directory that goes away, a
 * seeded stream of numbers, entries built in a few words. */
#ifndef POSTOFFICE_TESTS_STORAGE_FIXTURE_H
#define POSTOFFICE_TESTS_STORAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "storage/command.h"
#include "storage/idempotency.h"
#include "storage/query.h"
#include "storage/search.h"
#include "storage/state_hash.h"
#include "storage/store.h"
#include "storage/verify.h"

/* splitmix64: the same numbers on every machine. */
uint64_t random_next(uint64_t *state);
/* From 0 to below - 1. */
uint32_t random_below(uint64_t *state, uint32_t below);
/* From POSTOFFICE_TEST_SEED, else the default; printed. */
uint64_t random_seed(uint64_t default_seed);

struct fixture {
    char directory[64];
    struct store *store;
    struct arena arena; /* Of results and queries; the test may close it. */
    uint64_t index;     /* Of the last entry applied. */
};

enum {
    FIXTURE_MAP_BYTES = 256 << 20,
    FIXTURE_IDEMPOTENCY_KEYS = 8,
    FIXTURE_KEYS = 6,
};

void fixture_make_directory(char directory[64]);
void fixture_remove_directory(const char *directory);
/* A new store in a new directory. */
void fixture_open(struct fixture *fixture);
/* Closes the store and opens it again. */
void fixture_reopen(struct fixture *fixture);
void fixture_close(struct fixture *fixture); /* Removes the directory. */

/* Fail the test with the error's words. */
void expect_ok(int rc, const struct error *error);

/* Applies the entry under the next index and empties the encoder. The results
 * live in the fixture's arena. */
struct command_result *fixture_apply(struct fixture *fixture,
                                     struct encoder *entry,
                                     uint32_t *ret_count);
/* One command's result, which must be the entry's only one. */
struct command_result fixture_apply_one(struct fixture *fixture,
                                        struct encoder *entry);
void fixture_commit(struct fixture *fixture);

/* The keys of messages that tests use: "k0" and so on; and their hashes. */
struct slice fixture_key_text(int index);
uint64_t fixture_key(int index);

struct topic_options fixture_topic(const char *name);
struct publisher_options fixture_publisher(const char *target);
/* A MESSAGES command of `count` messages with `payload`. */
void encode_messages(struct encoder *out, uint64_t time_ms, uint32_t topic_id,
                     uint32_t count, const char *payload);
/* The same for a request under a key, whose body is `body`; NULL: no key. */
struct idempotency fixture_request(const char *key, const char *body);
void encode_messages_once(struct encoder *out, uint64_t time_ms,
                          const struct idempotency *request, uint32_t topic_id,
                          uint32_t count, const char *payload);
void encode_grant(struct encoder *out, uint64_t time_ms, uint32_t publisher_id,
                  uint64_t from, uint64_t upto, uint32_t examined,
                  const uint64_t *open, uint32_t open_count);
void encode_outcome(struct encoder *out, uint64_t time_ms,
                    uint32_t publisher_id, uint64_t position,
                    enum delivery_state state, uint16_t status,
                    uint64_t next_attempt_ms);
void encode_positions(struct encoder *out, enum command_type type,
                      uint64_t time_ms, uint32_t publisher_id,
                      uint64_t position);

#endif
