#include "storage/expiry.h"

#include "base/bounds.h"
#include "storage/blocked.h"
#include "storage/body.h"
#include "storage/command.h"
#include "storage/exception.h"
#include "storage/log_walk.h"
#include "storage/outcome.h"

/* Deliveries looked at, in all; each is two looks into LMDB. */
enum { LOOKS_MAX = BOUND_READ_RECORDS };

/* What the publisher has done with the message allows it to go. */
static int is_done(struct transaction *transaction, const struct expiry *expiry,
                   const struct expiry_publisher *publisher,
                   const struct expired *message, bool *ret_done,
                   struct error *error)
{
    struct hot *hot = publisher->hot;
    uint64_t position = message->position;
    struct exception_row row;
    struct settled item;
    bool parked = false;
    *ret_done = position < hot->start;
    if (*ret_done || position >= hot->next || hot_find(hot, position) != NULL)
        return 0;
    int rc = exception_get(transaction, publisher->id, position, &row, error);
    if (rc == 0)
        *ret_done = (row.state == DELIVERY_DELIVERED ||
                     row.state == DELIVERY_DISCARDED) &&
                    row.since_ms <= expiry->cutoff_ms;
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = outcome_find(transaction, publisher->id, position, &item, error);
    if (rc == 0)
        *ret_done = item.processed_ms <= expiry->cutoff_ms;
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = parked_is(transaction, hot, publisher->id, message->key, position,
                   &parked, error);
    *ret_done = rc == 0 && !parked;
    return rc;
}

static int all_done(struct transaction *transaction,
                    const struct expiry *expiry, const struct expired *message,
                    bool *ret_done, struct error *error)
{
    *ret_done = true;
    for (uint32_t i = 0; *ret_done && i < expiry->publisher_count; i++) {
        int rc = is_done(transaction, expiry, &expiry->publishers[i], message,
                         ret_done, error);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool too_young(const struct message *message, uint64_t cutoff_ms)
{
    return message->received_ms > cutoff_ms || message->schedule_ms > cutoff_ms;
}

/* ERR_END: what is here, and so all behind it, is too young. */
static int look_at(struct transaction *transaction, struct body_reader *reader,
                   struct expiry *expiry, struct log_pair pair,
                   struct error *error)
{
    struct message message;
    bool done;
    int rc = body_get(reader, pair.id, &message, NULL, error);
    if (rc == ERR_NOT_FOUND)
        rc = error_set(error, ERR_CORRUPT, "database msg lacks message %llu",
                       (unsigned long long)pair.id);
    if (rc == 0 && too_young(&message, expiry->cutoff_ms))
        rc = ERR_END;
    if (rc != 0)
        return rc;
    struct expired *expired = &expiry->expired[expiry->count];
    *expired = (struct expired){
        .position = pair.position, .id = pair.id, .key = key_hash(message.key)};
    rc = all_done(transaction, expiry, expired, &done, error);
    if (rc == 0 && done)
        expiry->count++;
    return rc;
}

int expiry_look(struct transaction *transaction, struct expiry *expiry,
                struct error *error)
{
    struct log_walk walk = {0};
    struct body_reader reader = {0};
    struct log_pair pair;
    uint32_t looks = 0;
    uint32_t each = expiry->publisher_count + 1;
    expiry->count = 0;
    expiry->looked_upto = 0;
    expiry->next = 0;
    int rc = log_walk_open(transaction, expiry->topic_id, expiry->from, &walk,
                           error);
    if (rc == 0)
        rc = body_reader_open(transaction, &reader, error);
    for (uint32_t i = 0; rc == 0; i++) {
        rc = log_walk_next(&walk, &pair, error);
        if (rc == 0 && pair.position > expiry->upto)
            break;
        if (rc == 0 && (i == EXPIRE_MAX || (i > 0 && looks > LOOKS_MAX))) {
            expiry->next = pair.position;
            break;
        }
        if (rc == 0)
            rc = look_at(transaction, &reader, expiry, pair, error);
        if (rc == 0)
            expiry->looked_upto = pair.position;
        looks += each;
    }
    body_reader_close(&reader);
    log_walk_close(&walk);
    return rc == ERR_END ? 0 : rc;
}
