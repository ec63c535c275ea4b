#include "fixture.h"

#include "tests/temporary.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t below)
{
    return (uint32_t)(random_next(state) % below);
}

uint64_t random_seed(uint64_t default_seed)
{
    const char *text = getenv("POSTOFFICE_TEST_SEED");
    uint64_t seed = text == NULL ? default_seed : strtoull(text, NULL, 10);
    print_message("POSTOFFICE_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

void expect_ok(int rc, const struct error *error)
{
    if (rc != 0)
        fail_msg("%s (%s)", error->text, error_text(rc));
}

/* ---- Directories and stores ---- */

void fixture_make_directory(char directory[64])
{
    assert_true(temporary_directory(directory, 64));
}

void fixture_remove_directory(const char *directory)
{
    DIR *listing = opendir(directory);
    struct dirent *entry;
    assert_non_null(listing);
    while ((entry = readdir(listing)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
    assert_int_equal(rmdir(directory), 0);
}

static void open_store(struct fixture *fixture)
{
    struct store_options options = {
        .map_bytes = FIXTURE_MAP_BYTES,
        .idempotency_keys_max = FIXTURE_IDEMPOTENCY_KEYS,
    };
    struct error error = {0};
    expect_ok(store_open(fixture->directory, &options, &fixture->store, &error),
              &error);
}

void fixture_open(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture_make_directory(fixture->directory);
    open_store(fixture);
}

void fixture_reopen(struct fixture *fixture)
{
    store_close(fixture->store);
    open_store(fixture);
    fixture->index = store_applied_index(fixture->store);
}

void fixture_close(struct fixture *fixture)
{
    store_close(fixture->store);
    arena_close(&fixture->arena);
    fixture_remove_directory(fixture->directory);
}

struct command_result *fixture_apply(struct fixture *fixture,
                                     struct encoder *entry, uint32_t *ret_count)
{
    struct command_result *results;
    struct error error = {0};
    expect_ok(store_apply(fixture->store, ++fixture->index,
                          encoder_slice(entry), &fixture->arena, &results,
                          ret_count, &error),
              &error);
    entry->length = 0;
    return results;
}

struct command_result fixture_apply_one(struct fixture *fixture,
                                        struct encoder *entry)
{
    uint32_t count;
    struct command_result *results = fixture_apply(fixture, entry, &count);
    assert_int_equal(count, 1);
    return results[0];
}

void fixture_commit(struct fixture *fixture)
{
    struct error error = {0};
    expect_ok(store_commit(fixture->store, &error), &error);
}

/* ---- Commands ---- */

struct slice fixture_key_text(int index)
{
    static const char *const keys[FIXTURE_KEYS] = {"k0", "k1", "k2",
                                                   "k3", "k4", "k5"};
    return slice_text(keys[index]);
}

uint64_t fixture_key(int index)
{
    return key_hash(fixture_key_text(index));
}

struct topic_options fixture_topic(const char *name)
{
    return (struct topic_options){
        .name = slice_text(name),
        .origin_host = slice_text("http://origin.example/"),
    };
}

struct publisher_options fixture_publisher(const char *target)
{
    return (struct publisher_options){
        .target = slice_text(target),
        .type = PUBLISHER_HTTP,
        .timeout_seconds = 30,
        .retry_seconds = 30,
        .retry_seconds_max = 3600,
        .chunk_size = 100,
        .max_in_flight = 16,
        .max_attempts = 100,
    };
}

void encode_messages(struct encoder *out, uint64_t time_ms, uint32_t topic_id,
                     uint32_t count, const char *payload)
{
    encode_messages_once(out, time_ms, NULL, topic_id, count, payload);
}

struct idempotency fixture_request(const char *key, const char *body)
{
    struct idempotency request = {.route = IDEMPOTENT_MESSAGE,
                                  .key = slice_text(key)};
    idempotency_hash(slice_text(body), request.request_hash);
    return request;
}

void encode_messages_once(struct encoder *out, uint64_t time_ms,
                          const struct idempotency *request, uint32_t topic_id,
                          uint32_t count, const char *payload)
{
    size_t begun = command_messages_begin_once(out, time_ms, request, count);
    for (uint32_t i = 0; i < count; i++) {
        struct message message = {.topic_id = topic_id,
                                  .payload = slice_text(payload)};
        message_encode(out, &message);
    }
    command_end(out, begun);
}

void encode_grant(struct encoder *out, uint64_t time_ms, uint32_t publisher_id,
                  uint64_t from, uint64_t upto, uint32_t examined,
                  const uint64_t *open, uint32_t open_count)
{
    struct command_grant grant = {.publisher_id = publisher_id,
                                  .from = from,
                                  .upto = upto,
                                  .examined = examined,
                                  .open_count = open_count,
                                  .open = open};
    command_grant_encode(out, time_ms, &grant);
}

void encode_outcome(struct encoder *out, uint64_t time_ms,
                    uint32_t publisher_id, uint64_t position,
                    enum delivery_state state, uint16_t status,
                    uint64_t next_attempt_ms)
{
    struct outcome outcome = {
        .position = position,
        .state = state,
        .next_attempt_ms = next_attempt_ms,
        .attempt = {.number = 1,
                    .class = status < 300 ? ATTEMPT_OK : ATTEMPT_HTTP_5XX,
                    .status = status,
                    .started_ms = time_ms - 1,
                    .duration_ms = 1,
                    .response = slice_text(status < 300 ? "" : "sorry")},
    };
    struct command_outcomes outcomes = {
        .publisher_id = publisher_id, .count = 1, .outcomes = &outcome};
    command_outcomes_encode(out, time_ms, &outcomes);
}

void encode_positions(struct encoder *out, enum command_type type,
                      uint64_t time_ms, uint32_t publisher_id,
                      uint64_t position)
{
    struct command_positions positions = {
        .publisher_id = publisher_id, .count = 1, .positions = &position};
    command_positions_encode(out, type, time_ms, &positions);
}
