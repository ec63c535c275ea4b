/* What people decide about deliveries: again, or never.
 *
 *     dead, ambiguous, discarded --retry--> retrying, due now
 *     discarded before its turn  --retry--> pending
 *     retrying                   --retry--> retrying, due now
 *     pending, parked, retrying, dead, ambiguous --discard--> discarded
 *
 * What is open can be neither: it is being sent, and its outcome decides. */
#include "storage/apply.h"
#include "storage/exception.h"
#include "storage/outcome.h"
#include "storage/position.h"

/* A delivery that a decision is about. */
struct subject {
    struct publisher_state *publisher;
    uint64_t position;
    uint64_t key; /* Of its message; 0: none, or not known. */
};

/* *ret_code: 0 when it was carried out, ERR_EXISTS when there was nothing to
 * do, ERR_BUSY or ERR_CONFLICT when it cannot be. */
typedef int decide_function(struct store *store, const struct subject *subject,
                            int *ret_code, struct error *error);

static uint64_t *count_of(struct hot *hot, enum delivery_state state)
{
    switch (state) {
    case DELIVERY_RETRYING:
        return &hot->retrying;
    case DELIVERY_DEAD:
        return &hot->dead;
    case DELIVERY_AMBIGUOUS:
        return &hot->ambiguous;
    case DELIVERY_DISCARDED:
        return &hot->discarded;
    case DELIVERY_SCHEDULED:
    case DELIVERY_PENDING:
    case DELIVERY_DELIVERED:
    case DELIVERY_FILTERED:
        break;
    }
    return NULL;
}

/* The row outlasts the deletes and puts that follow: it is copied. */
static int row_take(struct store *store, const struct subject *subject,
                    struct exception_row *ret_row, struct error *error)
{
    int rc = exception_get(&store->transaction, subject->publisher->id,
                           subject->position, ret_row, error);
    for (uint32_t i = 0; rc == 0 && i < ret_row->history.count; i++)
        ret_row->history.attempts[i].response =
            arena_copy(&store->arena, ret_row->history.attempts[i].response);
    return rc;
}

/* From the state that the row has to another: rows, counters, order. */
static int change(struct store *store, const struct subject *subject,
                  struct exception_row *row, enum delivery_state state,
                  bool ordered, struct error *error)
{
    struct publisher_state *publisher = subject->publisher;
    int rc = exception_unindex(&store->transaction, publisher->id,
                               subject->position, row, error);
    if (rc == 0)
        rc = order_free(store, publisher, subject->position, row, error);
    if (rc != 0)
        return rc;
    --*count_of(&publisher->hot, row->state);
    ++*count_of(&publisher->hot, state);
    row->state = state;
    row->ordered = ordered;
    row->key = ordered ? row->key : 0;
    row->holds = 0;
    row->since_ms = store->global.clock_ms;
    row->due_ms = state == DELIVERY_RETRYING ? store->global.clock_ms : 0;
    machine_touch_publisher(store, publisher);
    rc = exception_put(&store->transaction, machine_scratch(store),
                       publisher->id, subject->position, row, error);
    return rc == 0 ? order_hold(store, publisher, subject->position, row, error)
                   : rc;
}

/* ---- Retry ---- */

/* It waits for its turn again, as if nothing had been. */
static int undo_ahead(struct store *store, const struct subject *subject,
                      const struct exception_row *row, struct error *error)
{
    struct publisher_state *publisher = subject->publisher;
    int rc = exception_unindex(&store->transaction, publisher->id,
                               subject->position, row, error);
    if (rc == 0)
        rc = exception_delete(&store->transaction, publisher->id,
                              subject->position, error);
    publisher->hot.ahead--;
    publisher->hot.discarded--;
    machine_touch_publisher(store, publisher);
    return rc;
}

static int retry(struct store *store, const struct subject *subject,
                 int *ret_code, struct error *error)
{
    struct publisher_state *publisher = subject->publisher;
    struct exception_row row;
    *ret_code = 0;
    if (hot_find(&publisher->hot, subject->position) != NULL) {
        *ret_code = ERR_BUSY;
        return 0;
    }
    int rc = row_take(store, subject, &row, error);
    if (rc == ERR_NOT_FOUND || (rc == 0 && row.state == DELIVERY_DELIVERED)) {
        *ret_code = ERR_CONFLICT;
        return 0;
    }
    if (rc != 0)
        return rc;
    if (row.state == DELIVERY_DISCARDED &&
        subject->position >= publisher->hot.next)
        return undo_ahead(store, subject, &row, error);
    bool waits = row.state == DELIVERY_RETRYING;
    bool holds = waits || (row.state == DELIVERY_AMBIGUOUS &&
                           publisher->on_poison == POISON_BLOCK);
    row.budget_from = row.attempts;
    if (!waits)
        row.replay_id = 0;
    return change(store, subject, &row, DELIVERY_RETRYING, row.ordered && holds,
                  error);
}

/* ---- Discard ---- */

static int discard_new(struct store *store, const struct subject *subject,
                       struct error *error)
{
    struct exception_row row = {.state = DELIVERY_DISCARDED,
                                .since_ms = store->global.clock_ms};
    subject->publisher->hot.discarded++;
    machine_touch_publisher(store, subject->publisher);
    return exception_put(&store->transaction, machine_scratch(store),
                         subject->publisher->id, subject->position, &row,
                         error);
}

static int discard_parked(struct store *store, const struct subject *subject,
                          int *ret_code, struct error *error)
{
    struct publisher_state *publisher = subject->publisher;
    struct blocked_row blocked;
    bool parked;
    int rc = parked_is(&store->transaction, &publisher->hot, publisher->id,
                       subject->key, subject->position, &parked, error);
    if (rc == 0 && !parked)
        *ret_code = ERR_CONFLICT;
    if (rc != 0 || !parked)
        return rc;
    rc = discard_new(store, subject, error);
    if (rc == 0)
        rc = blocked_get(&store->transaction, publisher->id, subject->key,
                         &blocked, error);
    if (rc != 0)
        return rc;
    uint64_t from = subject->position == blocked.first_parked
                        ? subject->position + 1
                        : blocked.first_parked;
    return order_unpark(store, publisher, subject->key, &blocked, 1, from,
                        error);
}

static int discard(struct store *store, const struct subject *subject,
                   int *ret_code, struct error *error)
{
    struct publisher_state *publisher = subject->publisher;
    struct exception_row row;
    *ret_code = 0;
    if (hot_find(&publisher->hot, subject->position) != NULL) {
        *ret_code = ERR_BUSY;
        return 0;
    }
    int rc = row_take(store, subject, &row, error);
    if (rc == ERR_NOT_FOUND && subject->position >= publisher->hot.next) {
        publisher->hot.ahead++;
        return discard_new(store, subject, error);
    }
    if (rc == ERR_NOT_FOUND)
        return discard_parked(store, subject, ret_code, error);
    if (rc == 0 && row.state == DELIVERY_DELIVERED)
        *ret_code = ERR_CONFLICT;
    if (rc == 0 && row.state == DELIVERY_DISCARDED)
        *ret_code = ERR_EXISTS;
    if (rc != 0 || *ret_code != 0)
        return rc;
    uint32_t replay_id = row.state == DELIVERY_RETRYING ? row.replay_id : 0;
    rc = change(store, subject, &row, DELIVERY_DISCARDED, false, error);
    return rc == 0 ? replay_settled(store, replay_id, error) : rc;
}

/* ---- One message ---- */

static bool wants(const struct publisher_state *publisher, uint32_t topic_id,
                  uint64_t position)
{
    return publisher != NULL && publisher->topic_id == topic_id &&
           position >= publisher->hot.start;
}

/* Tells the worst of what stood in the way, unless it was carried out
 * somewhere. */
static int decide_all(struct store *store, decide_function *decide,
                      uint32_t topic_id, struct subject subject,
                      struct command_result *result, struct error *error)
{
    int worst = ERR_CONFLICT;
    int rc = 0;
    for (uint32_t id = 0; rc == 0 && id < store->publishers.capacity; id++) {
        int code = 0;
        subject.publisher = machine_publisher(store, id);
        if (!wants(subject.publisher, topic_id, subject.position))
            continue;
        rc = decide(store, &subject, &code, error);
        if (code == 0)
            result->count++;
        else if (code != ERR_CONFLICT)
            worst = code;
    }
    if (result->count == 0)
        result->code = worst == ERR_EXISTS ? 0 : worst;
    return rc;
}

static int decide_one(struct store *store, decide_function *decide,
                      uint32_t topic_id, uint32_t publisher_id,
                      struct subject subject, struct command_result *result,
                      struct error *error)
{
    int code = 0;
    subject.publisher = machine_publisher(store, publisher_id);
    if (subject.publisher == NULL || subject.publisher->topic_id != topic_id) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (!wants(subject.publisher, topic_id, subject.position)) {
        result->code = ERR_CONFLICT;
        return 0;
    }
    int rc = decide(store, &subject, &code, error);
    result->count = code == 0;
    result->code = code == ERR_EXISTS ? 0 : code;
    return rc;
}

static int decision(struct store *store, const struct command *command,
                    decide_function *decide, struct command_result *result,
                    struct error *error)
{
    struct command_decision decoded;
    struct message_place place;
    int rc = command_decision_decode(command->body, &decoded);
    if (rc != 0)
        return apply_malformed(error, rc, "decision");
    /* It may be one of this very entry. */
    rc = apply_gathered(store, error);
    if (rc == 0)
        rc = message_place(&store->transaction, decoded.message_id, &place,
                           error);
    if (rc == ERR_NOT_FOUND ||
        (rc == 0 && machine_topic(store, place.topic_id) == NULL)) {
        result->code = ERR_NOT_FOUND;
        return 0;
    }
    if (rc != 0)
        return rc;
    if (place.position == 0) {
        result->code = ERR_CONFLICT;
        return 0;
    }
    struct subject subject = {.position = place.position, .key = place.key};
    result->id = decoded.message_id;
    return decoded.publisher_id == 0
               ? decide_all(store, decide, place.topic_id, subject, result,
                            error)
               : decide_one(store, decide, place.topic_id, decoded.publisher_id,
                            subject, result, error);
}

int apply_retry(struct store *store, const struct command *command,
                struct command_result *result, struct error *error)
{
    return decision(store, command, retry, result, error);
}

int apply_discard(struct store *store, const struct command *command,
                  struct command_result *result, struct error *error)
{
    return decision(store, command, discard, result, error);
}

/* ---- All in a state ---- */

/* Positions first, then changes: a change moves the rows that lead to them. */
static int collect(struct store *store,
                   const struct command_decision_step *step, uint32_t rows,
                   uint64_t *positions, uint32_t *ret_count,
                   struct error *error)
{
    struct cursor cursor = {0};
    struct key prefix = key_of_u32(step->publisher_id);
    struct key from = key_of_state(step->publisher_id, step->state, step->from);
    uint32_t count = 0;
    key_u8(&prefix, (uint8_t)step->state);
    int rc = cursor_open(&store->transaction, DATABASE_EXCEPTION_STATE, &cursor,
                         error);
    if (rc == 0)
        rc = cursor_seek(&cursor, key_slice(&from), error);
    while (rc == 0 && count < rows &&
           cursor_within(&cursor, key_slice(&prefix))) {
        if (cursor.key.length != from.length) {
            rc = record_error(error, ERR_CORRUPT, DATABASE_EXCEPTION_STATE,
                              cursor.key);
            break;
        }
        uint64_t position = get_key_u64(cursor.key.data + prefix.length);
        if (position > step->upto)
            break;
        positions[count++] = position;
        rc = cursor_next(&cursor, error);
    }
    cursor_close(&cursor);
    *ret_count = count;
    return rc == ERR_END ? 0 : rc;
}

static int decision_step(struct store *store, const struct command *command,
                         decide_function *decide, struct command_result *result,
                         struct error *error)
{
    struct command_decision_step step;
    uint64_t positions[DECISION_ROWS_MAX];
    uint32_t count = 0;
    int rc = command_decision_step_decode(command->body, &step);
    if (rc != 0)
        return apply_malformed(error, rc, "decision step");
    struct publisher_state *publisher =
        machine_publisher(store, step.publisher_id);
    struct hot none = {0};
    if (publisher == NULL)
        result->code = ERR_NOT_FOUND;
    else if (count_of(&none, step.state) == NULL ||
             (decide == discard && step.state == DELIVERY_DISCARDED))
        result->code = ERR_INVALID;
    if (result->code != 0)
        return 0;
    uint32_t rows =
        step.rows_max < DECISION_ROWS_MAX ? step.rows_max : DECISION_ROWS_MAX;
    rc = collect(store, &step, rows, positions, &count, error);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct subject subject = {.publisher = publisher,
                                  .position = positions[i]};
        int code;
        rc = decide(store, &subject, &code, error);
        result->count += code == 0;
    }
    result->id = publisher->id;
    if (count > 0 && count == rows && positions[count - 1] < step.upto)
        result->position = positions[count - 1] + 1;
    return rc;
}

int apply_retry_step(struct store *store, const struct command *command,
                     struct command_result *result, struct error *error)
{
    return decision_step(store, command, retry, result, error);
}

int apply_discard_step(struct store *store, const struct command *command,
                       struct command_result *result, struct error *error)
{
    return decision_step(store, command, discard, result, error);
}
