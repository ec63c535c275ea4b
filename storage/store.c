/* The driver: entry by entry, commit by commit. Between the two lies only
 * memory that can be had again from the log. */
#include "storage/apply.h"
#include "storage/state_hash.h"

#include <assert.h>

/* ---- Meta ---- */

static int meta_put_format(struct store *store, struct error *error)
{
    encoder_u32(machine_scratch(store), SCHEMA_FORMAT);
    return record_put(&store->transaction, DATABASE_META,
                      slice_text(META_KEY_FORMAT),
                      encoder_slice(&store->scratch), error);
}

static int meta_put_applied(struct store *store, struct error *error)
{
    struct applied_row row = {
        .index = store->applied_index,
        .hash_low = store->transaction.hash.low,
        .hash_high = store->transaction.hash.high,
    };
    applied_row_encode(machine_scratch(store), &row);
    return record_put(&store->transaction, DATABASE_META,
                      slice_text(META_KEY_APPLIED),
                      encoder_slice(&store->scratch), error);
}

static int meta_get_applied(struct store *store, struct error *error)
{
    struct slice key = slice_text(META_KEY_APPLIED);
    struct applied_row row;
    struct slice content;
    int rc =
        record_get(&store->transaction, DATABASE_META, key, &content, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, ERR_CORRUPT, "database meta lacks the index");
    if (rc != 0)
        return rc;
    rc = applied_row_decode(content, &row);
    if (rc != 0)
        return record_error(error, rc, DATABASE_META, key);
    store->applied_index = row.index;
    store->hash =
        (struct state_hash){.low = row.hash_low, .high = row.hash_high};
    atomic_store(&store->committed_index, row.index);
    return 0;
}

/* ERR_NOT_FOUND in a store that was never filled. */
static int meta_check_format(struct store *store, struct error *error)
{
    struct slice key = slice_text(META_KEY_FORMAT);
    struct slice content;
    int rc =
        record_get(&store->transaction, DATABASE_META, key, &content, error);
    if (rc != 0)
        return rc;
    struct decoder in = decoder_of(content);
    uint32_t format = decoder_u32(&in);
    if (!decoder_done(&in) || format == 0)
        return record_error(error, ERR_CORRUPT, DATABASE_META, key);
    if (format > SCHEMA_FORMAT)
        return error_set(error, ERR_VERSION,
                         "the store has format %u, this program knows %u",
                         format, SCHEMA_FORMAT);
    if (format < SCHEMA_FORMAT)
        return error_set(error, ERR_VERSION,
                         "the store has format %u, which only development "
                         "versions wrote; this program reads %u and cannot "
                         "convert it",
                         format, SCHEMA_FORMAT);
    return 0;
}

/* ---- Open ---- */

static int must_be_empty(struct store *store, struct error *error)
{
    for (int i = 0; i < DATABASE_COUNT; i++) {
        struct cursor cursor = {0};
        int rc =
            cursor_open(&store->transaction, (enum database)i, &cursor, error);
        if (rc == 0)
            rc = cursor_seek(&cursor, slice_of(NULL, 0), error);
        cursor_close(&cursor);
        if (rc == 0)
            rc =
                error_set(error, ERR_CORRUPT, "database meta lacks the format");
        if (rc != ERR_END)
            return rc;
    }
    return 0;
}

/* All sequences begin at 1: 0 means none. */
static int fill(struct store *store, struct error *error)
{
    int rc =
        transaction_begin(store->environment, true, &store->transaction, error);
    if (rc == 0)
        rc = must_be_empty(store, error);
    if (rc == 0)
        rc = meta_put_format(store, error);
    if (rc != 0)
        return rc;
    store->global = (struct global_row){.next_message_id = 1,
                                        .next_replay_id = 1,
                                        .next_topic_id = 1,
                                        .next_publisher_id = 1,
                                        .next_token_id = 1,
                                        .next_audit_id = 1};
    rc = machine_flush(store, error);
    if (rc == 0)
        rc = meta_put_applied(store, error);
    store->hash = store->transaction.hash;
    return rc == 0 ? transaction_commit(&store->transaction, error) : rc;
}

static int load(struct store *store, struct error *error)
{
    int rc = transaction_begin(store->environment, false, &store->transaction,
                               error);
    if (rc == 0)
        rc = meta_check_format(store, error);
    if (rc == 0)
        rc = meta_get_applied(store, error);
    if (rc == 0)
        rc = machine_load(store, error);
    transaction_abort(&store->transaction);
    return rc;
}

int store_open(const char *directory, const struct store_options *options,
               struct store **ret_store, struct error *error)
{
    struct store *store = memory_new_zeroed(1, sizeof *store);
    store->idempotency_keys_max = options->idempotency_keys_max != 0
                                      ? options->idempotency_keys_max
                                      : BOUND_IDEMPOTENCY_KEYS;
    struct environment_options environment = {.map_bytes = options->map_bytes,
                                              .end = DATABASE_COUNT};
    int rc =
        environment_open(directory, &environment, &store->environment, error);
    if (rc == 0) {
        rc = load(store, error);
        if (rc == ERR_NOT_FOUND)
            rc = fill(store, error);
        /* What was read may be in memory only, since a process before this
         * one was killed. */
        if (rc == 0)
            rc = store_sync(store, error);
        if (rc != 0)
            rc = error_wrap(error, rc, "store in %s", directory);
    }
    if (rc != 0) {
        store_close(store);
        return rc;
    }
    *ret_store = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    transaction_abort(&store->transaction);
    settlements_close(&store->settlements);
    machine_close(store);
    environment_close(store->environment);
    free(store);
}

/* ---- Apply ---- */

static int count_commands(struct slice entry, uint32_t *ret_count,
                          struct error *error)
{
    struct command command;
    uint32_t count = 0;
    int rc;
    while ((rc = command_next(&entry, &command)) == 0)
        count++;
    if (rc != ERR_END)
        return error_set(error, rc, "command %u: %s", count, error_text(rc));
    *ret_count = count;
    return 0;
}

static int results_take(struct arena *arena, uint32_t count,
                        struct command_result **ret_results,
                        struct error *error)
{
    struct command_result *results = arena_try(arena, count * sizeof *results);
    if (results == NULL)
        return error_set(error, ERR_NO_MEMORY, "results of %u commands", count);
    memset(results, 0, count * sizeof *results);
    *ret_results = results;
    return 0;
}

static int apply_entry(struct store *store, struct slice entry,
                       struct command_result *results, struct error *error)
{
    struct command command;
    assert(results != NULL);
    for (uint32_t i = 0; command_next(&entry, &command) == 0; i++) {
        /* The log's clock never runs back. */
        if (command.time_ms > store->global.clock_ms)
            store->global.clock_ms = command.time_ms;
        results[i].time_ms = store->global.clock_ms;
        int rc = apply_command(store, &command, &results[i], error);
        arena_close(&store->arena);
        if (rc != 0)
            return error_wrap(error, rc, "command %u", i);
    }
    return machine_flush(store, error);
}

static int begin_if_none(struct store *store, struct error *error)
{
    if (store->transaction.txn != NULL)
        return 0;
    int rc =
        transaction_begin(store->environment, true, &store->transaction, error);
    store->transaction.hash = store->hash;
    store->transaction.settlements = &store->settlements;
    if (store->settlements.latest_ms < store->global.clock_ms)
        store->settlements.latest_ms = store->global.clock_ms;
    return rc;
}

static int failed_before(struct error *error)
{
    return error_set(error, ERR_UNAVAILABLE,
                     "the store has failed before and takes no more");
}

int store_apply(struct store *store, uint64_t index, struct slice entry,
                struct arena *arena, struct command_result **ret_results,
                uint32_t *ret_count, struct error *error)
{
    uint32_t count = 0;
    if (store->failed)
        return failed_before(error);
    if (index <= store->applied_index) {
        *ret_results = NULL;
        *ret_count = 0;
        return 0;
    }
    struct command_result *results = NULL;
    int rc = count_commands(entry, &count, error);
    if (rc == 0)
        rc = results_take(arena, count, &results, error);
    if (rc == 0)
        rc = begin_if_none(store, error);
    if (rc == 0)
        rc = apply_entry(store, entry, results, error);
    if (rc != 0) {
        store->failed = true;
        return error_wrap(error, rc, "apply entry %llu",
                          (unsigned long long)index);
    }
    store->applied_index = index;
    store->hash = store->transaction.hash;
    store->pending_bytes += entry.length;
    *ret_results = results;
    *ret_count = count;
    return 0;
}

int store_commit(struct store *store, struct error *error)
{
    if (store->failed)
        return failed_before(error);
    if (store->transaction.txn == NULL)
        return 0;
    int rc =
        settlements_flush(&store->settlements, &store->transaction,
                          machine_scratch(store), store->applied_index, error);
    if (rc == 0)
        rc = settlements_sweep(store, error);
    if (rc == 0)
        rc = meta_put_applied(store, error);
    if (rc == 0)
        rc = transaction_commit(&store->transaction, error);
    if (rc != 0) {
        store->failed = true;
        return error_wrap(error, rc, "commit the store at entry %llu",
                          (unsigned long long)store->applied_index);
    }
    store->pending_bytes = 0;
    environment_relieve(store->environment);
    /* The pages' sync has taken the meta page of the commit before along. */
    atomic_store(&store->durable_index, atomic_load(&store->committed_index));
    atomic_store(&store->committed_index, store->applied_index);
    return 0;
}

int store_sync(struct store *store, struct error *error)
{
    uint64_t committed = atomic_load(&store->committed_index);
    if (atomic_load(&store->durable_index) == committed)
        return 0;
    int rc = environment_sync(store->environment, error);
    if (rc == 0)
        atomic_store(&store->durable_index, committed);
    return rc;
}

/* ---- What is known without asking LMDB ---- */

uint64_t store_applied_index(const struct store *store)
{
    return store->applied_index;
}

uint64_t store_committed_index(const struct store *store)
{
    return atomic_load(&store->committed_index);
}

uint64_t store_durable_index(const struct store *store)
{
    return atomic_load(&store->durable_index);
}

uint64_t store_pending_bytes(const struct store *store)
{
    return store->pending_bytes;
}

struct state_hash store_state_hash(const struct store *store)
{
    return store->hash;
}

uint64_t store_backlog(const struct store *store)
{
    uint64_t backlog = 0;
    for (uint32_t id = 0; id < store->publishers.capacity; id++) {
        const struct publisher_state *publisher = machine_publisher(store, id);
        if (publisher == NULL)
            continue;
        const struct topic_state *topic =
            machine_topic(store, publisher->topic_id);
        backlog += hot_backlog(&publisher->hot, topic->row.messages);
    }
    return backlog;
}

int store_space(struct store *store, struct store_space *ret_space,
                struct error *error)
{
    return environment_space(store->environment, ret_space, error);
}
