/* What holds its place in an order, and what is parked behind it.
 *
 *     ordered and RETRYING   --> waits: holds up ORDERING_STRICT, and its key
 *     ordered and AMBIGUOUS  --> stuck: the same, with POISON_BLOCK
 *     behind a held key      --> parked: counted in the key's row
 *
 * While a key is parked, all of its messages that are granted are parked, so
 * that between its first parked position and `next` all of them are, save what
 * a person has discarded or retried. */
#include "storage/apply.h"
#include "storage/exception.h"

/* How far a look for the next head goes. What waits together was open
 * together, and so is near. */
enum { HEAD_LOOKS_MAX = BOUND_OPEN_POSITIONS };

bool order_holds_strict(const struct publisher_state *publisher)
{
    return publisher->hot.ordered_waits > 0 ||
           (publisher->hot.ordered_stuck > 0 &&
            publisher->on_poison == POISON_BLOCK);
}

static bool holds_place(const struct exception_row *row)
{
    return row->ordered && (row->state == DELIVERY_RETRYING ||
                            row->state == DELIVERY_AMBIGUOUS);
}

int order_hold(struct store *store, struct publisher_state *publisher,
               uint64_t position, const struct exception_row *row,
               struct error *error)
{
    struct blocked_row blocked;
    bool waits = row->state == DELIVERY_RETRYING;
    uint64_t key = row->key;
    if (!holds_place(row))
        return 0;
    if (waits)
        publisher->hot.ordered_waits++;
    else
        publisher->hot.ordered_stuck++;
    if (key == 0)
        return 0;
    int rc =
        blocked_get(&store->transaction, publisher->id, key, &blocked, error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    if (waits)
        blocked.waits++;
    else
        blocked.stuck++;
    if (blocked.head == 0 || position < blocked.head)
        blocked.head = position;
    return blocked_put(&store->transaction, machine_scratch(store),
                       publisher->id, key, blocked.first_parked, &blocked,
                       error);
}

/* The first position above the old head that holds the key's place. 0: none
 * near. */
static int next_head(struct store *store, struct publisher_state *publisher,
                     uint64_t key, uint64_t from, uint64_t *ret_head,
                     struct error *error)
{
    *ret_head = 0;
    for (int i = 0; i < HEAD_LOOKS_MAX; i++) {
        struct exception_row row;
        uint64_t position;
        int rc = key_index_next(&store->transaction, publisher->topic_id, key,
                                from, &position, error);
        if (rc == 0)
            rc = exception_get(&store->transaction, publisher->id, position,
                               &row, error);
        else if (rc == ERR_END)
            return 0;
        /* The row of what is open tells what it was before. */
        if (rc == 0 && holds_place(&row) && row.key == key &&
            hot_find(&publisher->hot, position) == NULL) {
            *ret_head = position;
            return 0;
        }
        if (rc != 0 && rc != ERR_NOT_FOUND)
            return rc;
        from = position + 1;
    }
    return 0;
}

int order_free(struct store *store, struct publisher_state *publisher,
               uint64_t position, const struct exception_row *row,
               struct error *error)
{
    struct blocked_row blocked;
    bool waits = row->state == DELIVERY_RETRYING;
    uint64_t key = row->key;
    if (!holds_place(row))
        return 0;
    if (waits)
        publisher->hot.ordered_waits--;
    else
        publisher->hot.ordered_stuck--;
    if (key == 0)
        return 0;
    int rc =
        blocked_get(&store->transaction, publisher->id, key, &blocked, error);
    if (rc != 0 || (waits ? blocked.waits : blocked.stuck) == 0)
        return rc != 0 && rc != ERR_NOT_FOUND
                   ? rc
                   : error_set(error, ERR_CORRUPT,
                               "database bkey, publisher %u: the key of "
                               "position %llu is not held",
                               publisher->id, (unsigned long long)position);
    if (waits)
        blocked.waits--;
    else
        blocked.stuck--;
    if (blocked.waits + blocked.stuck == 0)
        blocked.head = 0;
    else if (blocked.head == position)
        rc = next_head(store, publisher, key, position + 1, &blocked.head,
                       error);
    if (rc != 0)
        return rc;
    return blocked_put(&store->transaction, machine_scratch(store),
                       publisher->id, key, blocked.first_parked, &blocked,
                       error);
}

int order_park(struct store *store, struct publisher_state *publisher,
               uint64_t key, uint64_t position, struct error *error)
{
    struct blocked_row blocked;
    int rc =
        blocked_get(&store->transaction, publisher->id, key, &blocked, error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    uint64_t old_first = blocked.first_parked;
    if (blocked.parked++ == 0)
        blocked.first_parked = position;
    publisher->hot.parked++;
    return blocked_put(&store->transaction, machine_scratch(store),
                       publisher->id, key, old_first, &blocked, error);
}

int order_unpark(struct store *store, struct publisher_state *publisher,
                 uint64_t key, const struct blocked_row *row, uint32_t count,
                 uint64_t from, struct error *error)
{
    struct blocked_row blocked = *row;
    int rc = 0;
    blocked.parked -= count;
    publisher->hot.parked -= count;
    if (blocked.parked == 0)
        blocked.first_parked = 0;
    else if (from > blocked.first_parked)
        rc = parked_next(&store->transaction, &publisher->hot,
                         publisher->topic_id, publisher->id, key, from,
                         &blocked.first_parked, error);
    if (rc == ERR_END)
        rc = error_set(error, ERR_CORRUPT,
                       "database bkey, publisher %u: fewer are parked than "
                       "counted",
                       publisher->id);
    if (rc != 0)
        return rc;
    return blocked_put(&store->transaction, machine_scratch(store),
                       publisher->id, key, row->first_parked, &blocked, error);
}

/* ---- Unpark ---- */

static int unpark_check(struct store *store,
                        const struct publisher_state *publisher,
                        const struct command_unpark *unpark,
                        const struct blocked_row *row, int *ret_code,
                        struct error *error)
{
    uint64_t key;
    uint64_t first;
    *ret_code = 0;
    if (unpark->from != row->first_parked)
        *ret_code = ERR_STALE;
    else if (unpark->upto < unpark->from ||
             unpark->upto >= publisher->hot.next || unpark->examined == 0 ||
             unpark->examined > row->parked ||
             unpark->open_count > unpark->examined)
        *ret_code = ERR_INVALID;
    else if (publisher->paused ||
             unpark->open_count >
                 BOUND_OPEN_POSITIONS - publisher->hot.open_count)
        *ret_code = ERR_CONFLICT;
    else if (publisher->ordering == ORDERING_KEY &&
             blocked_waits(row, publisher->on_poison))
        *ret_code = ERR_CONFLICT;
    if (*ret_code != 0 || publisher->ordering != ORDERING_STRICT)
        return 0;
    int rc =
        blocked_first(&store->transaction, publisher->id, &key, &first, error);
    if (rc == 0 && (order_holds_strict(publisher) || key != unpark->key ||
                    unpark->examined > 1))
        *ret_code = ERR_CONFLICT;
    return rc;
}

/* That the positions named are the key's parked ones, and as many as said. A
 * proposer that has counted before the last discard is told so. */
static int unpark_walk(struct store *store, struct publisher_state *publisher,
                       const struct command_unpark *unpark, int *ret_code,
                       struct error *error)
{
    uint64_t from = unpark->from;
    uint32_t opened = 0;
    for (uint32_t i = 0; i < unpark->examined; i++) {
        uint64_t position;
        int rc = parked_next(&store->transaction, &publisher->hot,
                             publisher->topic_id, publisher->id, unpark->key,
                             from, &position, error);
        if (rc == ERR_END || (rc == 0 && position > unpark->upto)) {
            *ret_code = ERR_STALE;
            return 0;
        }
        if (rc != 0)
            return rc;
        if (opened < unpark->open_count && unpark->open[opened] == position)
            opened++;
        from = position + 1;
    }
    if (opened != unpark->open_count || from != unpark->upto + 1)
        *ret_code = ERR_STALE;
    return 0;
}

static int unpark_carry_out(struct store *store,
                            struct publisher_state *publisher,
                            const struct command_unpark *unpark,
                            const struct blocked_row *row, struct error *error)
{
    struct hot *hot = &publisher->hot;
    bool ordered = publisher->ordering != ORDERING_NONE;
    int rc = order_unpark(store, publisher, unpark->key, row, unpark->examined,
                          unpark->upto + 1, error);
    for (uint32_t i = 0; i < unpark->open_count; i++)
        hot_open(hot, (struct open_position){.position = unpark->open[i],
                                             .attempt = 1,
                                             .ordered = ordered,
                                             .key = ordered ? unpark->key : 0});
    hot->filtered += unpark->examined - unpark->open_count;
    machine_touch_publisher(store, publisher);
    return rc;
}

int apply_unpark(struct store *store, const struct command *command,
                 struct command_result *result, struct error *error)
{
    struct command_unpark unpark;
    struct blocked_row row;
    int rc = command_unpark_decode(command->body, &store->arena, &unpark);
    if (rc != 0)
        return apply_malformed(error, rc, "unpark");
    struct publisher_state *publisher =
        machine_publisher(store, unpark.publisher_id);
    if (publisher == NULL) {
        result->code = ERR_STALE;
        return 0;
    }
    rc = blocked_get(&store->transaction, publisher->id, unpark.key, &row,
                     error);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    if (row.parked == 0) {
        result->code = ERR_STALE;
        return 0;
    }
    rc = unpark_check(store, publisher, &unpark, &row, &result->code, error);
    if (rc == 0 && result->code == 0)
        rc = unpark_walk(store, publisher, &unpark, &result->code, error);
    if (rc != 0 || result->code != 0)
        return rc;
    result->id = publisher->id;
    result->count = unpark.open_count;
    return unpark_carry_out(store, publisher, &unpark, &row, error);
}
