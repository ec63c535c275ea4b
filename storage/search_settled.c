/* A search by processed time follows `done` from the newest to the oldest.
 *
 * What was settled at one moment is taken together, in order of position,
 * since pages must have an order that does not depend on how commits cut the
 * runs: the highest MOMENT_MAX below where the page began, and again as many
 * below those. An entry counts when the message's latest delivery that is
 * asked for was processed at that very time: so a message comes once, and what
 * has changed since does not come at all. */
#include "storage/search_inside.h"

#include "storage/position.h"
#include "storage/settlement.h"

#include <stdlib.h>

enum { MOMENT_MAX = 1024 };

/* The highest positions of one moment. */
struct moment {
    uint64_t ms;
    uint64_t below;
    struct settlement items[2 * MOMENT_MAX];
    uint32_t count;
    bool more; /* Some were left out. */
};

static int by_position_down(const void *a, const void *b)
{
    uint64_t left = ((const struct settlement *)a)->position;
    uint64_t right = ((const struct settlement *)b)->position;
    return left > right ? -1 : left < right;
}

/* Sorts, keeps one of each position, and at most MOMENT_MAX. */
static void moment_settle(struct moment *moment)
{
    uint32_t kept = 0;
    qsort(moment->items, moment->count, sizeof *moment->items,
          by_position_down);
    for (uint32_t i = 0; i < moment->count; i++) {
        if (kept > 0 &&
            moment->items[kept - 1].position == moment->items[i].position)
            continue;
        if (kept == MOMENT_MAX) {
            moment->more = true;
            break;
        }
        moment->items[kept++] = moment->items[i];
    }
    moment->count = kept;
}

static void moment_add(struct moment *moment, const struct settlement *item)
{
    if (item->position >= moment->below)
        return;
    if (moment->count == 2 * MOMENT_MAX)
        moment_settle(moment);
    if (moment->more && item->position < moment->items[MOMENT_MAX - 1].position)
        return;
    moment->items[moment->count++] = *item;
}

static const struct search_publisher *publisher_of(const struct search *search,
                                                   uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = search->publisher_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (search->publishers[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < search->publisher_count && search->publishers[low].id == id
               ? &search->publishers[low]
               : NULL;
}

static uint64_t publisher_bits(const struct search *search)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < search->publisher_count; i++)
        bits |= settlement_bit(search->publishers[i].id);
    return bits;
}

/* ---- Walking ---- */

/* The next entry of a publisher that is asked for; `spent` when the budget is,
 * with ret->ms the time so far, which is before the walk's beginning. ERR_END.
 */
static int next_asked(struct search *search, struct settlement_walk *walk,
                      uint64_t begin_ms, struct settlement *ret, bool *spent,
                      struct error *error)
{
    uint64_t bits = publisher_bits(search);
    int rc = 0;
    *spent = false;
    while (rc == 0) {
        if (walk->left > 0 && (walk->run.publishers & bits) == 0)
            walk->left = 0;
        if (walk->left == 0) {
            ret->ms = walk->run.first_ms;
            if (search_spend(search, 1) && ret->ms < begin_ms) {
                *spent = true;
                return 0;
            }
            rc = settlement_walk_pass(walk, error);
            continue;
        }
        rc = settlement_walk_back(walk, ret, error);
        if (rc == 0 && publisher_of(search, ret->publisher_id) != NULL)
            return 0;
    }
    return rc;
}

/* All of one moment; the walk ends behind the first entry of another one, or
 * at the end. */
static int moment_fill(struct search *search, struct moment *moment,
                       struct error *error)
{
    struct settlement_walk walk;
    struct settlement item;
    moment->count = 0;
    moment->more = false;
    int rc = settlement_walk_open(&search->view->transaction, moment->ms, &walk,
                                  error);
    while (rc == 0 && (rc = settlement_walk_back(&walk, &item, error)) == 0 &&
           item.ms == moment->ms)
        if (publisher_of(search, item.publisher_id) != NULL)
            moment_add(moment, &item);
    settlement_walk_close(&walk);
    moment_settle(moment);
    return rc == ERR_END ? 0 : rc;
}

/* ---- Looking ---- */

/* The message at the position, which is its id save for what was scheduled.
 * ERR_NOT_FOUND: it is gone. */
static int message_at(struct search *search, const struct settlement *item,
                      struct message *ret_message, struct error *error)
{
    struct view *view = search->view;
    struct log_walk walk = {0};
    struct log_pair pair;
    int rc = view_message(view, item->position, NULL, ret_message, error);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = log_walk_open(&view->transaction,
                       publisher_of(search, item->publisher_id)->topic_id,
                       item->position, &walk, error);
    if (rc == 0)
        rc = log_walk_next(&walk, &pair, error);
    log_walk_close(&walk);
    if (rc == ERR_END || (rc == 0 && pair.position != item->position))
        return ERR_NOT_FOUND;
    return rc == 0 ? view_message(view, pair.id, NULL, ret_message, error) : rc;
}

static int look(struct search *search, const struct settlement *item,
                struct arena *arena, struct message_page *page,
                struct error *error)
{
    struct arena scratch = {0};
    struct message message;
    uint64_t processed_ms = 0;
    bool matches = false;
    int rc = message_at(search, item, &message, error);
    if (rc == 0 && search_matches(search, &message))
        rc = search_match_deliveries(search, &message, item->position, &scratch,
                                     &matches, &processed_ms, error);
    arena_close(&scratch);
    if (rc == 0 && matches && processed_ms == item->ms)
        rc = search_take(search, message.id, arena, page, error);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void page_ends(struct search *search, struct message_page *page,
                      uint64_t ms, uint64_t position)
{
    page->next = (struct search_place){.ms = ms, .id = position};
    page->cut = !search_page_full(search, page);
    page->searched_ms = ms;
}

/* *ret_ended: the page is. */
static int take_moment(struct search *search, struct moment *moment,
                       struct arena *arena, struct message_page *page,
                       bool *ret_ended, struct error *error)
{
    bool spent = false;
    *ret_ended = false;
    do {
        int rc = moment_fill(search, moment, error);
        for (uint32_t i = 0; rc == 0 && i < moment->count; i++) {
            const struct settlement *item = &moment->items[i];
            if (spent || search_page_full(search, page)) {
                page_ends(search, page, moment->ms, item->position + 1);
                *ret_ended = true;
                return 0;
            }
            rc = look(search, item, arena, page, error);
            spent = search_spend(search, 1);
            moment->below = item->position;
        }
        if (rc != 0)
            return rc;
    } while (moment->more);
    return 0;
}

static int walk_moments(struct search *search, struct moment *moment,
                        struct arena *arena, struct message_page *page,
                        struct error *error)
{
    const struct message_query *query = search->query;
    bool ended = false;
    int rc = 0;
    while (rc == 0 && !ended) {
        struct settlement_walk walk;
        struct settlement item = {0};
        bool spent = false;
        rc = settlement_walk_open(&search->view->transaction, moment->ms, &walk,
                                  error);
        if (rc == 0)
            rc = next_asked(search, &walk, moment->ms, &item, &spent, error);
        settlement_walk_close(&walk);
        if (rc != 0 || item.ms < query->processed_from_ms)
            break;
        if (spent) {
            page_ends(search, page, item.ms, UINT64_MAX);
            break;
        }
        if (item.ms != moment->ms)
            moment->below = UINT64_MAX;
        moment->ms = item.ms;
        rc = take_moment(search, moment, arena, page, &ended, error);
        if (moment->ms == 0)
            break;
        moment->ms--;
        moment->below = UINT64_MAX;
    }
    return rc == ERR_END ? 0 : rc;
}

int search_by_processed(struct search *search, struct arena *arena,
                        struct message_page *page, struct error *error)
{
    const struct message_query *query = search->query;
    struct moment *moment = arena_take(&search->arena, sizeof *moment);
    uint64_t upto = query->processed_to_ms;
    moment->ms = upto == 0 ? UINT64_MAX : upto;
    moment->below = UINT64_MAX;
    if (query->before.id != 0 && query->before.ms <= moment->ms) {
        moment->ms = query->before.ms;
        moment->below = query->before.id;
    }
    return walk_moments(search, moment, arena, page, error);
}
