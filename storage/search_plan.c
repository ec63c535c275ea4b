/* What a search walks. Whatever the filters, the streams of a plan hold
 * together every message that can match; and each costs its look only.
 *
 *     a term of the index      its runs, and above what   of each topic
 *                              is indexed all messages
 *     a state with an index    `exs`, and what is open    of each publisher
 *     scheduled                `sid`                      of each topic
 *     another state            the log, between the publishers' cursors
 *     a topic                  its log
 *     nothing of these         all messages
 *
 * Of several terms, and a state, the one that seems to lead to the fewest.
 * Positions are ids save for what was scheduled for later. Such messages are
 * found by `sid` while they wait and by `spos` after that (the index knows
 * those of one topic): these stand beside every stream of positions. */
#include "storage/search_inside.h"

#include "storage/blocked.h"

/* What a plan goes over: one topic, or all. */
struct scope {
    uint32_t *topics;
    uint32_t count;
    bool too_many;
};

static int scope_find(struct search *search, struct scope *scope,
                      struct error *error)
{
    *scope = (struct scope){.topics = &search->topic_id, .count = 1};
    if (search->topic_id != 0)
        return 0;
    int rc = view_ids(search->view, DATABASE_TOPIC, 0, BOUND_SEARCH_TOPICS + 1,
                      &search->arena, &scope->topics, &scope->count, error);
    scope->too_many = scope->count > BOUND_SEARCH_TOPICS;
    return rc;
}

/* ---- Streams ---- */

static int add(struct search *search, enum stream_kind kind,
               enum database database, struct key prefix, uint64_t floor,
               uint64_t ceiling, struct error *error)
{
    uint64_t before = search->query->before.id;
    struct stream stream = {
        .kind = kind,
        .prefix = prefix,
        .floor = floor > search->first_id ? floor : search->first_id,
        .ceiling = ceiling < search->last_id ? ceiling : search->last_id};
    struct transaction *transaction = kind == STREAM_TERM
                                          ? &search->index->transaction
                                          : &search->view->transaction;
    return streams_add(&search->streams, transaction, &search->arena, &stream,
                       database, before == 0 ? UINT64_MAX : before, error);
}

static const struct key no_prefix = {.length = 0};

static int add_bodies(struct search *search, uint64_t floor,
                      struct error *error)
{
    return add(search, STREAM_BODIES, DATABASE_MESSAGE, no_prefix, floor,
               UINT64_MAX, error);
}

/* Of each topic, as far as messages are indexed. */
static int add_term(struct search *search, const struct scope *scope,
                    uint64_t hash, struct error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < scope->count; i++)
        rc = add(search, STREAM_TERM, INDEX_TERM,
                 term_key(scope->topics[i], hash), 0, search->index->upto,
                 error);
    return rc;
}

static int add_scheduled(struct search *search, const struct scope *scope,
                         struct error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < scope->count; i++)
        rc = add(search, STREAM_NUMBERS, DATABASE_SCHEDULED_ID,
                 key_of_u32(scope->topics[i]), 0, UINT64_MAX, error);
    return rc;
}

/* What was scheduled once and stands elsewhere than at its id. `spos` has those
 * of all topics. */
static int add_released(struct search *search, const struct scope *scope,
                        struct error *error)
{
    static const struct slice none = {0};
    uint64_t floor = 0;
    int rc = 0;
    if (search->topic_id != 0 && search->index->upto > 0) {
        floor = search->index->upto + 1;
        rc =
            add_term(search, scope, term_hash(SEARCH_LATER, none, none), error);
    }
    return rc == 0 ? add(search, STREAM_NUMBERS, DATABASE_RELEASED, no_prefix,
                         floor, UINT64_MAX, error)
                   : rc;
}

/* ---- By state ---- */

static bool has_index(const struct message_query *query)
{
    enum delivery_state state = query->state;
    return !query->any_state &&
           (state == DELIVERY_RETRYING || state == DELIVERY_DEAD ||
            state == DELIVERY_AMBIGUOUS || state == DELIVERY_DISCARDED);
}

static int add_open(struct search *search, const struct hot *hot,
                    struct error *error)
{
    uint64_t before = search->query->before.id;
    struct stream stream = {.kind = STREAM_OPEN,
                            .floor = search->first_id,
                            .ceiling = search->last_id,
                            .hot = hot};
    return streams_add(&search->streams, &search->view->transaction,
                       &search->arena, &stream, DATABASE_HOT,
                       before == 0 ? UINT64_MAX : before, error);
}

/* A retry that is open is not indexed. */
static int add_state(struct search *search, const struct scope *scope,
                     struct error *error)
{
    enum delivery_state state = search->query->state;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < search->publisher_count; i++) {
        const struct search_publisher *publisher = &search->publishers[i];
        struct key prefix = key_of_u32(publisher->id);
        key_u8(&prefix, (uint8_t)state);
        rc = add(search, STREAM_NUMBERS, DATABASE_EXCEPTION_STATE, prefix, 0,
                 UINT64_MAX, error);
        if (rc == 0 && state == DELIVERY_RETRYING)
            rc = add_open(search, &publisher->hot, error);
    }
    return rc == 0 ? add_released(search, scope, error) : rc;
}

/* ---- By topic ---- */

/* Where deliveries of the publisher in the state may lie. */
static int narrow(struct search *search,
                  const struct search_publisher *publisher, uint64_t *ret_floor,
                  uint64_t *ret_ceiling, struct error *error)
{
    const struct hot *hot = &publisher->hot;
    const struct message_query *query = search->query;
    uint64_t key;
    uint64_t parked;
    *ret_floor = hot->start;
    *ret_ceiling = UINT64_MAX;
    if (!query->any_state && (query->state == DELIVERY_DELIVERED ||
                              query->state == DELIVERY_FILTERED))
        *ret_ceiling = hot->next - 1;
    if (query->any_state || query->state != DELIVERY_PENDING)
        return 0;
    *ret_floor = hot->next;
    if (hot->open_count > 0 && hot->open[0].position < *ret_floor)
        *ret_floor = hot->open[0].position;
    if (hot->parked == 0)
        return 0;
    int rc = blocked_first(&search->view->transaction, publisher->id, &key,
                           &parked, error);
    if (rc == 0 && parked < *ret_floor)
        *ret_floor = parked;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* The topic's publishers together. */
static int narrow_topic(struct search *search, uint32_t topic_id,
                        uint64_t *ret_floor, uint64_t *ret_ceiling,
                        struct error *error)
{
    *ret_floor = UINT64_MAX;
    *ret_ceiling = 0;
    for (uint32_t i = 0; i < search->publisher_count; i++) {
        uint64_t floor;
        uint64_t ceiling;
        if (search->publishers[i].topic_id != topic_id)
            continue;
        int rc =
            narrow(search, &search->publishers[i], &floor, &ceiling, error);
        if (rc != 0)
            return rc;
        *ret_floor = floor < *ret_floor ? floor : *ret_floor;
        *ret_ceiling = ceiling > *ret_ceiling ? ceiling : *ret_ceiling;
    }
    return 0;
}

static int add_logs(struct search *search, const struct scope *scope,
                    struct error *error)
{
    bool asks = search_asks_deliveries(search->query);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < scope->count; i++) {
        uint64_t floor = 0;
        uint64_t ceiling = UINT64_MAX;
        if (asks)
            rc =
                narrow_topic(search, scope->topics[i], &floor, &ceiling, error);
        if (rc == 0)
            rc = add(search, STREAM_LOG, DATABASE_LOG,
                     key_of_u32(scope->topics[i]), floor, ceiling, error);
    }
    if (rc == 0 && search->query->any_state)
        rc = add_scheduled(search, scope, error);
    return rc == 0 ? add_released(search, scope, error) : rc;
}

/* ---- By term ---- */

/* The runs that a guess looks at. */
enum { GUESS_RUNS = 3 };

/* About how many of a topic's messages have the term, by its newest runs. */
static int guess_topic(struct search *search, uint32_t topic_id, uint64_t hash,
                       double *guess, struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = term_key(topic_id, hash);
    struct key end = prefix;
    uint64_t upto = search->index->upto;
    uint64_t count = 0;
    uint64_t first = 0;
    uint32_t runs = 0;
    key_u64(&end, UINT64_MAX);
    int rc =
        cursor_open(&search->index->transaction, INDEX_TERM, &cursor, error);
    if (rc == 0)
        rc = cursor_seek_back(&cursor, key_slice(&end), error);
    while (rc == 0 && cursor_within(&cursor, key_slice(&prefix)) &&
           runs < GUESS_RUNS) {
        struct term_run run;
        first = get_key_u64(cursor.key.data + prefix.length);
        if (term_run_decode(first, cursor.content, &run) != 0)
            rc = record_error(error, ERR_CORRUPT, INDEX_TERM, cursor.key);
        else
            rc = cursor_previous(&cursor, error);
        count += run.count;
        runs++;
    }
    cursor_close(&cursor);
    *guess += runs < GUESS_RUNS
                  ? (double)count
                  : (double)count * (double)upto / (double)(upto - first + 1);
    return rc == ERR_END ? 0 : rc;
}

static int consider(struct search *search, const struct scope *scope,
                    uint64_t hash, double *best, uint64_t *ret_hash,
                    struct error *error)
{
    double guess = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < scope->count && guess < *best; i++)
        rc = guess_topic(search, scope->topics[i], hash, &guess, error);
    if (rc == 0 && guess < *best) {
        *best = guess;
        *ret_hash = hash;
    }
    return rc;
}

static int has_field(struct search *search, const struct scope *scope,
                     struct slice pointer, bool *ret_has, struct error *error)
{
    int rc = 0;
    *ret_has = true;
    for (uint32_t i = 0; rc == 0 && *ret_has && i < scope->count; i++)
        rc = index_has_field(search->index, scope->topics[i], pointer, ret_has,
                             error);
    return rc;
}

/* The term that leads to fewer than `best`, which it lowers. */
static int find_term(struct search *search, const struct scope *scope,
                     double *best, uint64_t *ret_hash, struct error *error)
{
    static const struct slice none = {0};
    const struct message_query *query = search->query;
    int rc = 0;
    if (search->index->upto == 0 || scope->too_many)
        return 0;
    if (query->key.length > 0)
        rc = consider(search, scope, term_hash(SEARCH_KEY, none, query->key),
                      best, ret_hash, error);
    for (uint32_t i = 0; rc == 0 && i < query->term_count; i++) {
        const struct search_term *term = &query->terms[i];
        bool has = true;
        if (term->kind == SEARCH_FIELD)
            rc = has_field(search, scope, term->name, &has, error);
        if (rc == 0 && has)
            rc = consider(search, scope,
                          term_hash(term->kind, term->name, term->value), best,
                          ret_hash, error);
    }
    return rc;
}

/* What is not indexed yet, of one topic or all. */
static int add_tail(struct search *search, const struct scope *scope,
                    struct error *error)
{
    uint64_t floor = search->index->upto + 1;
    if (search->topic_id == 0)
        return add_bodies(search, floor, error);
    int rc = add(search, STREAM_LOG, DATABASE_LOG, key_of_u32(search->topic_id),
                 floor, UINT64_MAX, error);
    if (rc == 0)
        rc = add_scheduled(search, scope, error);
    return rc == 0 ? add(search, STREAM_NUMBERS, DATABASE_RELEASED, no_prefix,
                         floor, UINT64_MAX, error)
                   : rc;
}

/* ---- The plan ---- */

static uint64_t in_state(const struct search *search)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < search->publisher_count; i++) {
        const struct hot *hot = &search->publishers[i].hot;
        switch (search->query->state) {
        case DELIVERY_RETRYING:
            count += hot->retrying + hot->open_count;
            break;
        case DELIVERY_DEAD:
            count += hot->dead;
            break;
        case DELIVERY_AMBIGUOUS:
            count += hot->ambiguous;
            break;
        default:
            count += hot->discarded;
        }
    }
    return count;
}

static int plan_rest(struct search *search, const struct scope *scope,
                     struct error *error)
{
    const struct message_query *query = search->query;
    if (has_index(query))
        return add_state(search, scope, error);
    if (scope->too_many ||
        (search->topic_id == 0 && !search_asks_deliveries(query)))
        return add_bodies(search, 0, error);
    if (!query->any_state && query->state == DELIVERY_SCHEDULED)
        return add_scheduled(search, scope, error);
    return add_logs(search, scope, error);
}

int search_plan(struct search *search, struct error *error)
{
    struct scope scope;
    uint64_t hash = 0;
    double most = has_index(search->query) ? (double)in_state(search) : 1e300;
    double best = most;
    int rc = scope_find(search, &scope, error);
    if (rc == 0)
        rc = find_term(search, &scope, &best, &hash, error);
    if (rc != 0)
        return rc;
    if (best >= most)
        return plan_rest(search, &scope, error);
    rc = add_term(search, &scope, hash, error);
    return rc == 0 ? add_tail(search, &scope, error) : rc;
}
