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

static int scope_find(struct search *search, struct search_scope *scope,
                      struct error *error)
{
    *scope = (struct search_scope){.topics = &search->topic_id, .count = 1};
    if (search->topic_id != 0)
        return 0;
    int rc = view_ids(search->view, DATABASE_TOPIC, 0, BOUND_SEARCH_TOPICS + 1,
                      &search->arena, &scope->topics, &scope->count, error);
    scope->too_many = scope->count > BOUND_SEARCH_TOPICS;
    return rc;
}

/* ---- Streams ---- */

static const struct key no_prefix = {.length = 0};

int search_add(struct search *search, enum stream_kind kind,
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

static int add_bodies(struct search *search, uint64_t floor,
                      struct error *error)
{
    return search_add(search, STREAM_BODIES, DATABASE_MESSAGE, no_prefix, floor,
                      UINT64_MAX, error);
}

static int add_scheduled(struct search *search,
                         const struct search_scope *scope, struct error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < scope->count; i++)
        rc = search_add(search, STREAM_NUMBERS, DATABASE_SCHEDULED_ID,
                        key_of_u32(scope->topics[i]), 0, UINT64_MAX, error);
    return rc;
}

/* What was scheduled once and stands elsewhere than at its id. `spos` has those
 * of all topics. */
static int add_released(struct search *search, struct error *error)
{
    static const struct slice none = {0};
    uint64_t floor = 0;
    int rc = 0;
    if (search->topic_id != 0 && search->index->upto > 0) {
        floor = search->index->upto + 1;
        rc = search_add_term(search, search->topic_id,
                             term_hash(SEARCH_LATER, none, none), error);
    }
    return rc == 0 ? search_add(search, STREAM_NUMBERS, DATABASE_RELEASED,
                                no_prefix, floor, UINT64_MAX, error)
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
static int add_state(struct search *search, struct error *error)
{
    enum delivery_state state = search->query->state;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < search->publisher_count; i++) {
        const struct search_publisher *publisher = &search->publishers[i];
        struct key prefix = key_of_u32(publisher->id);
        key_u8(&prefix, (uint8_t)state);
        rc = search_add(search, STREAM_NUMBERS, DATABASE_EXCEPTION_STATE,
                        prefix, 0, UINT64_MAX, error);
        if (rc == 0 && state == DELIVERY_RETRYING)
            rc = add_open(search, &publisher->hot, error);
    }
    return rc == 0 ? add_released(search, error) : rc;
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

static int add_logs(struct search *search, const struct search_scope *scope,
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
            rc =
                search_add(search, STREAM_LOG, DATABASE_LOG,
                           key_of_u32(scope->topics[i]), floor, ceiling, error);
    }
    if (rc == 0 && search->query->any_state)
        rc = add_scheduled(search, scope, error);
    return rc == 0 ? add_released(search, error) : rc;
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

static int plan_rest(struct search *search, const struct search_scope *scope,
                     struct error *error)
{
    const struct message_query *query = search->query;
    if (has_index(query))
        return add_state(search, error);
    if (scope->too_many ||
        (search->topic_id == 0 && !search_asks_deliveries(query)))
        return add_bodies(search, 0, error);
    if (!query->any_state && query->state == DELIVERY_SCHEDULED)
        return add_scheduled(search, scope, error);
    return add_logs(search, scope, error);
}

/* What is not indexed yet, of one topic or all. */
static int add_tail(struct search *search, const struct search_scope *scope,
                    struct error *error)
{
    uint64_t floor = search->index->upto + 1;
    if (search->topic_id == 0)
        return add_bodies(search, floor, error);
    int rc = search_add(search, STREAM_LOG, DATABASE_LOG,
                        key_of_u32(search->topic_id), floor, UINT64_MAX, error);
    if (rc == 0)
        rc = add_scheduled(search, scope, error);
    return rc == 0 ? search_add(search, STREAM_NUMBERS, DATABASE_RELEASED,
                                no_prefix, floor, UINT64_MAX, error)
                   : rc;
}

int search_plan(struct search *search, struct error *error)
{
    struct search_scope scope;
    struct search_lead lead = {
        .guess = has_index(search->query) ? (double)in_state(search) : 1e300};
    int rc = scope_find(search, &scope, error);
    if (rc == 0 && search->index->upto > 0 && !scope.too_many)
        rc = search_lead_find(search, &scope, &lead, error);
    if (rc != 0)
        return rc;
    if (!lead.found)
        return plan_rest(search, &scope, error);
    rc = search_lead_add(search, &scope, &lead, error);
    return rc == 0 ? add_tail(search, &scope, error) : rc;
}
