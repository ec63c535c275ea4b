/* Retention: what nobody needs any more goes, with all that is known of it.
 * Counters stay: what was delivered was delivered. */
#include "storage/apply.h"
#include "storage/exception.h"
#include "storage/expiry.h"
#include "storage/log_walk.h"
#include "storage/outcome.h"

/* ---- What publishers know ---- */

static int exception_forget(struct store *store, uint32_t publisher_id,
                            uint64_t position, struct error *error)
{
    struct exception_row row;
    int rc =
        exception_get(&store->transaction, publisher_id, position, &row, error);
    if (rc != 0)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    rc = exception_unindex(&store->transaction, publisher_id, position, &row,
                           error);
    return rc == 0 ? exception_delete(&store->transaction, publisher_id,
                                      position, error)
                   : rc;
}

static int publishers_forget(struct store *store, const struct expiry *expiry,
                             const uint64_t *positions, struct error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < expiry->publisher_count; i++) {
        uint32_t id = expiry->publishers[i].id;
        for (uint32_t k = 0; rc == 0 && k < expiry->count; k++)
            rc = exception_forget(store, id, positions[k], error);
        if (rc == 0)
            rc = outcome_remove(&store->transaction, machine_scratch(store), id,
                                positions, expiry->count, error);
    }
    return rc;
}

/* ---- The topic's log ---- */

/* A run before and after: what is left of it moves to where it now begins. */
struct run_change {
    struct key key;
    struct log_pair pairs[RUN_POSITIONS_MAX];
    uint32_t count; /* That stay. */
    uint32_t gone;
};

/* The run that holds expired[0]. */
static int run_look(struct store *store, uint32_t topic_id,
                    const struct expired *expired, uint32_t count,
                    struct run_change *ret_change, struct error *error)
{
    struct log_walk walk = {0};
    struct run_change *change = ret_change;
    int rc = log_walk_open(&store->transaction, topic_id, expired[0].position,
                           &walk, error);
    change->count = 0;
    change->gone = 0;
    for (uint32_t i = 0; rc == 0 && i < walk.run.count; i++) {
        struct log_pair pair = log_run_pair(&walk.run, i);
        if (change->gone < count &&
            expired[change->gone].position == pair.position)
            change->gone++;
        else
            change->pairs[change->count++] = pair;
    }
    change->key = key_of_position(topic_id, walk.run.first_position);
    log_walk_close(&walk);
    if (rc == 0 && change->gone == 0)
        rc = error_set(error, ERR_CORRUPT, "database log lacks position %llu",
                       (unsigned long long)expired[0].position);
    return rc;
}

static int runs_shorten(struct store *store, uint32_t topic_id,
                        const struct expired *expired, uint32_t count,
                        struct error *error)
{
    struct run_change change;
    while (count > 0) {
        int rc = run_look(store, topic_id, expired, count, &change, error);
        if (rc == 0)
            rc = record_delete(&store->transaction, DATABASE_LOG,
                               key_slice(&change.key), error);
        if (rc == 0 && change.count > 0) {
            struct key key =
                key_of_position(topic_id, change.pairs[0].position);
            log_run_encode(machine_scratch(store), change.pairs, change.count);
            rc = record_insert(&store->transaction, DATABASE_LOG,
                               key_slice(&key), encoder_slice(&store->scratch),
                               error);
        }
        if (rc != 0)
            return rc;
        expired += change.gone;
        count -= change.gone;
    }
    return 0;
}

static int first_left(struct store *store, uint32_t topic_id,
                      uint64_t *ret_position, struct error *error)
{
    struct log_walk walk = {0};
    struct log_pair pair = {0};
    int rc = log_walk_open(&store->transaction, topic_id, 0, &walk, error);
    if (rc == 0)
        rc = log_walk_next(&walk, &pair, error);
    log_walk_close(&walk);
    *ret_position = pair.position;
    return rc == ERR_END ? 0 : rc;
}

/* ---- The command ---- */

static int key_index_forget(struct store *store, const struct expiry *expiry,
                            struct error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < expiry->count; i++) {
        const struct expired *expired = &expiry->expired[i];
        struct key key =
            key_of_key_index(expiry->topic_id, expired->key, expired->position);
        if (expired->key != 0)
            rc = record_delete(&store->transaction, DATABASE_KEY_INDEX,
                               key_slice(&key), error);
    }
    return rc;
}

static int expire(struct store *store, struct topic_state *topic,
                  const struct expiry *expiry, struct error *error)
{
    uint64_t numbers[EXPIRE_MAX];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < expiry->count; i++)
        numbers[i] = expiry->expired[i].position;
    int rc = publishers_forget(store, expiry, numbers, error);
    if (rc == 0)
        rc = key_index_forget(store, expiry, error);
    if (rc == 0)
        rc = runs_shorten(store, topic->id, expiry->expired, expiry->count,
                          error);
    for (uint32_t i = 0; i < expiry->count; i++)
        numbers[i] = expiry->expired[i].id;
    if (rc == 0)
        rc = messages_remove(store, numbers, expiry->count, &bytes, error);
    if (rc == 0)
        rc = first_left(store, topic->id, &topic->row.first_position, error);
    topic->row.gone += expiry->count;
    topic->row.bytes -= bytes;
    machine_touch_topic(store, topic);
    return rc;
}

static struct expiry_publisher *publishers_of(struct store *store,
                                              const struct topic_state *topic,
                                              uint32_t *ret_count)
{
    struct expiry_publisher *list =
        arena_take(&store->arena, (topic->row.publishers + 1) * sizeof *list);
    *ret_count = 0;
    for (uint32_t id = 0; id < store->publishers.capacity; id++) {
        struct publisher_state *publisher = machine_publisher(store, id);
        if (publisher != NULL && publisher->topic_id == topic->id)
            list[(*ret_count)++] =
                (struct expiry_publisher){.id = id, .hot = &publisher->hot};
    }
    return list;
}

/* The topic's own rule is known here; the node's default only to the one that
 * proposes. */
static bool cutoff_allowed(const struct store *store,
                           const struct topic_state *topic, uint64_t cutoff_ms)
{
    struct topic_options options = {0};
    uint64_t now_ms = store->global.clock_ms;
    if (topic_options_decode(topic->row.options, &options) != 0 ||
        cutoff_ms > now_ms)
        return false;
    return (now_ms - cutoff_ms) / 1000 >= options.retention_seconds;
}

int apply_expire(struct store *store, const struct command *command,
                 struct command_result *result, struct error *error)
{
    struct command_expire decoded;
    int rc = command_expire_decode(command->body, &decoded);
    if (rc != 0)
        return apply_malformed(error, rc, "expire");
    struct topic_state *topic = machine_topic(store, decoded.topic_id);
    if (topic == NULL)
        result->code = ERR_NOT_FOUND;
    else if (!cutoff_allowed(store, topic, decoded.cutoff_ms))
        result->code = ERR_INVALID;
    if (result->code != 0)
        return 0;
    struct expiry expiry = {
        .topic_id = topic->id,
        .from = decoded.from,
        .upto = decoded.upto,
        .cutoff_ms = decoded.cutoff_ms,
        .expired = arena_take(&store->arena,
                              (EXPIRE_MAX + 1) * sizeof(struct expired)),
    };
    expiry.publishers = publishers_of(store, topic, &expiry.publisher_count);
    /* What this entry has published is in memory only, and too young. */
    rc = apply_gathered(store, error);
    if (rc == 0)
        rc = expiry_look(&store->transaction, &expiry, error);
    if (rc == 0 && expiry.count > 0)
        rc = expire(store, topic, &expiry, error);
    if (rc == 0 && expiry.count > 0)
        rc = audit_expired(store, topic, expiry.count, error);
    result->id = topic->id;
    result->count = expiry.count;
    result->position = expiry.next;
    return rc;
}
