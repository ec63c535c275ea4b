/* Why a message is where it is, at one publisher.
 *
 * What was settled explains itself. Of what waits the first of these is told:
 * a pause, the circuit, Retry-After, what comes before it in the order, its
 * own backoff; and if nothing holds it up, it is queued. */
#include "storage/blocked.h"
#include "storage/exception.h"
#include "storage/position.h"
#include "storage/query.h"
#include "storage/view.h"

const char *explain_reason_text(enum explain_reason reason)
{
    static const char *const texts[] = {
#define EXPLAIN_TEXT(name, text) [name] = (text),
        EXPLAIN_REASONS(EXPLAIN_TEXT)
#undef EXPLAIN_TEXT
    };
    return texts[reason];
}

/* What the parts work on. */
struct inquiry {
    struct view *view;
    struct hot *hot;
    struct arena *arena;
    uint64_t now_ms;
    struct explain *explain;
};

static bool is_settled(struct explain *explain)
{
    switch (explain->delivery.state) {
    case DELIVERY_DELIVERED:
        explain->reason = REASON_DELIVERED;
        return true;
    case DELIVERY_FILTERED:
        explain->reason = REASON_FILTERED;
        return true;
    case DELIVERY_DEAD:
        explain->reason = REASON_DEAD;
        return true;
    case DELIVERY_DISCARDED:
        explain->reason = REASON_DISCARDED;
        return true;
    case DELIVERY_AMBIGUOUS:
        explain->reason = REASON_AMBIGUOUS;
        return true;
    case DELIVERY_SCHEDULED:
    case DELIVERY_PENDING:
    case DELIVERY_RETRYING:
        break;
    }
    return false;
}

/* What holds the whole publisher. */
static bool is_held(const struct inquiry *inquiry)
{
    struct explain *explain = inquiry->explain;
    const struct publisher_view *view = &explain->publisher;
    if (view->publisher.paused) {
        explain->reason = REASON_PAUSED;
        explain->since_ms = view->publisher.paused_ms;
    } else if (view->circuit.state == CIRCUIT_OPEN) {
        explain->reason = REASON_CIRCUIT_OPEN;
        explain->since_ms = view->circuit.since_ms;
        explain->next_attempt_ms = view->circuit.next_probe_ms;
    } else if (view->throttled_until_ms > inquiry->now_ms) {
        explain->reason = REASON_RETRY_AFTER;
        explain->since_ms = view->counts.last_error_ms;
        explain->next_attempt_ms = view->throttled_until_ms;
    } else {
        return false;
    }
    return true;
}

/* ---- Orders ---- */

static int blocking_fill(const struct inquiry *inquiry,
                         enum explain_reason reason, uint64_t position,
                         struct error *error)
{
    struct explain *explain = inquiry->explain;
    struct message message;
    explain->reason = reason;
    explain->blocking_position = position;
    int rc =
        view_first_message(inquiry->view, explain->publisher.publisher.topic_id,
                           position, &message, error);
    if (rc == 0)
        explain->blocking_id = message.id;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static uint64_t earlier(uint64_t least, uint64_t position)
{
    return least == 0 || position < least ? position : least;
}

/* The first ordered one that is open; of a key, or (0) of all. */
static uint64_t first_open(const struct hot *hot, uint64_t key)
{
    for (uint32_t i = 0; i < hot->open_count; i++)
        if (hot->open[i].ordered && (key == 0 || hot->open[i].key == key))
            return hot->open[i].position;
    return 0;
}

/* From the key's head on the first that holds the key: the head itself, unless
 * it is ambiguous and that does not block. */
static int key_head(const struct inquiry *inquiry, uint64_t key,
                    const struct blocked_row *row, uint64_t *ret_head,
                    struct error *error)
{
    const struct publisher *publisher = &inquiry->explain->publisher.publisher;
    uint64_t from = row->head;
    *ret_head = row->head;
    if (row->stuck == 0 || publisher->options.on_poison == POISON_BLOCK)
        return 0;
    for (int looks = 0; looks < BOUND_READ_RECORDS; looks++) {
        struct exception_row exception;
        uint64_t position;
        int rc =
            key_index_next(&inquiry->view->transaction, publisher->topic_id,
                           key, from, &position, error);
        if (rc == 0)
            rc = exception_get(&inquiry->view->transaction, publisher->id,
                               position, &exception, error);
        if (rc == 0 && exception.ordered &&
            exception.state == DELIVERY_RETRYING &&
            hot_find(inquiry->hot, position) == NULL) {
            *ret_head = position;
            return 0;
        }
        if (rc != 0 && rc != ERR_NOT_FOUND)
            return rc == ERR_END ? 0 : rc;
        from = position + 1;
    }
    return 0;
}

/* The first message of the key that is not settled; 0: there is none. */
static int key_blocker(const struct inquiry *inquiry, uint64_t key,
                       uint64_t *ret_position, struct error *error)
{
    const struct publisher_view *view = &inquiry->explain->publisher;
    struct blocked_row row;
    uint64_t head = 0;
    int rc = blocked_get(&inquiry->view->transaction, view->publisher.id, key,
                         &row, error);
    if (rc == 0 && row.head != 0 &&
        blocked_waits(&row, view->publisher.options.on_poison))
        rc = key_head(inquiry, key, &row, &head, error);
    *ret_position = first_open(inquiry->hot, key);
    if (head != 0)
        *ret_position = earlier(*ret_position, head);
    if (row.parked > 0)
        *ret_position = earlier(*ret_position, row.first_parked);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* The first of the publisher's that waits, or is stuck, in a strict order. A
 * few looks: what waits in order was open together. */
static int first_ordered(const struct inquiry *inquiry,
                         enum delivery_state state, uint64_t *position,
                         struct error *error)
{
    uint32_t id = inquiry->explain->publisher.publisher.id;
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(id);
    key_u8(&prefix, (uint8_t)state);
    int rc = cursor_open(&inquiry->view->transaction, DATABASE_EXCEPTION_STATE,
                         &cursor, error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&prefix), error);
    for (int looks = 0; rc == 0 && looks < BOUND_READ_RECORDS &&
                        cursor_within(&cursor, key_slice(&prefix));
         looks++) {
        struct exception_row row;
        if (cursor.key.length != prefix.length + 8) {
            rc = record_error(error, ERR_CORRUPT, DATABASE_EXCEPTION_STATE,
                              cursor.key);
            break;
        }
        uint64_t at = get_key_u64(cursor.key.data + prefix.length);
        rc = exception_get(&inquiry->view->transaction, id, at, &row, error);
        if (rc == 0 && row.ordered) {
            *position = earlier(*position, at);
            break;
        }
        if (rc == 0)
            rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    return rc == ERR_END ? 0 : rc;
}

static int strict_blocker(const struct inquiry *inquiry, uint64_t *ret_position,
                          struct error *error)
{
    const struct hot *hot = inquiry->hot;
    const struct publisher *publisher = &inquiry->explain->publisher.publisher;
    uint64_t key;
    uint64_t parked;
    int rc = 0;
    *ret_position = first_open(hot, 0);
    if (hot->ordered_waits > 0)
        rc = first_ordered(inquiry, DELIVERY_RETRYING, ret_position, error);
    if (rc == 0 && hot->ordered_stuck > 0 &&
        publisher->options.on_poison == POISON_BLOCK)
        rc = first_ordered(inquiry, DELIVERY_AMBIGUOUS, ret_position, error);
    if (rc == 0 && hot->parked > 0) {
        rc = blocked_first(&inquiry->view->transaction, publisher->id, &key,
                           &parked, error);
        if (rc == 0)
            *ret_position = earlier(*ret_position, parked);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* What is outside of the order waits for nobody. */
static int order_look(const struct inquiry *inquiry, bool *ret_waits,
                      struct error *error)
{
    struct explain *explain = inquiry->explain;
    enum ordering ordering = explain->publisher.publisher.options.ordering;
    uint64_t key = key_hash(explain->message.key);
    uint64_t blocker = 0;
    int rc = 0;
    *ret_waits = false;
    if (explain->delivery.state == DELIVERY_RETRYING &&
        !explain->delivery.ordered)
        return 0;
    if (ordering == ORDERING_STRICT)
        rc = strict_blocker(inquiry, &blocker, error);
    else if (ordering == ORDERING_KEY && key != 0)
        rc = key_blocker(inquiry, key, &blocker, error);
    if (rc != 0 || blocker == 0 || blocker >= explain->position)
        return rc;
    *ret_waits = true;
    return blocking_fill(inquiry,
                         ordering == ORDERING_STRICT ? REASON_WAITING_FOR_ORDER
                                                     : REASON_WAITING_FOR_KEY,
                         blocker, error);
}

/* ---- What waits ---- */

static int count_ahead(const struct inquiry *inquiry, struct error *error)
{
    struct explain *explain = inquiry->explain;
    struct log_walk walk = {0};
    struct log_pair pair;
    if (explain->position <= inquiry->hot->next)
        return 0;
    int rc = log_walk_open(&inquiry->view->transaction,
                           explain->publisher.publisher.topic_id,
                           inquiry->hot->next, &walk, error);
    while (rc == 0 && explain->ahead < BOUND_READ_RECORDS) {
        rc = log_walk_next(&walk, &pair, error);
        if (rc != 0 || pair.position >= explain->position)
            break;
        explain->ahead++;
    }
    log_walk_close(&walk);
    return rc == ERR_END ? 0 : rc;
}

static int explain_waiting(const struct inquiry *inquiry, struct error *error)
{
    struct explain *explain = inquiry->explain;
    bool waits;
    if (explain->delivery.open) {
        explain->reason = REASON_IN_FLIGHT;
        return 0;
    }
    explain->next_attempt_ms = explain->delivery.next_attempt_ms;
    if (is_held(inquiry))
        return 0;
    int rc = order_look(inquiry, &waits, error);
    if (rc != 0 || waits)
        return rc;
    explain->reason = explain->next_attempt_ms > inquiry->now_ms
                          ? REASON_BACKING_OFF
                          : REASON_QUEUED;
    return count_ahead(inquiry, error);
}

static int explain_state(const struct inquiry *inquiry, struct error *error)
{
    struct explain *explain = inquiry->explain;
    struct delivery *delivery = &explain->delivery;
    if (explain->position == 0) {
        delivery->state = DELIVERY_SCHEDULED;
        explain->reason = REASON_SCHEDULED;
        explain->since_ms = explain->message.received_ms;
        explain->next_attempt_ms = explain->message.schedule_ms;
        return 0;
    }
    if (explain->position < inquiry->hot->start) {
        explain->reason = REASON_BEFORE_FROM_NOW;
        delivery->state = DELIVERY_FILTERED;
        explain->since_ms = explain->publisher.publisher.created_ms;
        return 0;
    }
    int rc = view_derive(inquiry->view, inquiry->hot, explain->position,
                         key_hash(explain->message.key), inquiry->arena,
                         delivery, error);
    if (rc != 0)
        return rc;
    explain->since_ms = delivery->since_ms != 0 ? delivery->since_ms
                                                : explain->message.received_ms;
    return is_settled(explain) ? 0 : explain_waiting(inquiry, error);
}

int query_explain_message(struct view *view, const struct message_view *message,
                          uint32_t publisher_id, uint64_t now_ms,
                          struct arena *arena, struct explain *ret,
                          struct error *error)
{
    struct hot hot = {0};
    struct inquiry inquiry = {.view = view,
                              .hot = &hot,
                              .arena = arena,
                              .now_ms = now_ms,
                              .explain = ret};
    *ret = (struct explain){.message = message->message,
                            .position = message->position};
    int rc = query_publisher(view, publisher_id, arena, &ret->publisher, error);
    if (rc != 0)
        return rc;
    const struct publisher *publisher = &ret->publisher.publisher;
    if (publisher->topic_id != ret->message.topic_id)
        return error_set(error, ERR_NOT_FOUND,
                         "publisher %u is not one of the message's topic",
                         publisher_id);
    ret->topic = publisher->topic;
    ret->delivery = (struct delivery){.publisher_id = publisher_id,
                                      .target = publisher->options.target,
                                      .type = publisher->options.type,
                                      .state = DELIVERY_PENDING};
    rc = view_hot(view, publisher_id, &hot, error);
    if (rc == 0)
        rc = explain_state(&inquiry, error);
    hot_close(&hot);
    return rc;
}

int query_explain(struct view *view, uint64_t message_id, uint32_t publisher_id,
                  uint64_t now_ms, struct arena *arena, struct explain *ret,
                  struct error *error)
{
    struct message_view message = {0};
    int rc = view_message(view, message_id, arena, &message.message, error);
    if (rc == ERR_NOT_FOUND)
        return error_set(error, rc, "message %llu: %s",
                         (unsigned long long)message_id, error_text(rc));
    if (rc == 0)
        rc = position_of(&view->transaction, &message.message,
                         &message.position, error);
    return rc == 0 ? query_explain_message(view, &message, publisher_id, now_ms,
                                           arena, ret, error)
                   : rc;
}
