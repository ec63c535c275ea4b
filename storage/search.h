/* search.h - lists of messages by what is asked of them.
 *
 * Newest first, which is by id; or, when it is asked when deliveries were
 * processed, by that time and then by position, the latest delivery of a
 * message that matches counting. (A position is the message's id, save for
 * what was scheduled: model.h.)
 *
 * A search walks what leads to the fewest messages (a term of the index, a
 * state, a topic's log, all messages) and looks at each message for the rest.
 * What it looks at in vain costs time as well: a page ends when its budget is
 * spent, short or even empty, and says how far it looked. The next one goes on
 * there, and costs no more than the first, however deep.
 *
 * Errors as in query.h. Thread: the view's. */
#ifndef POSTOFFICE_STORAGE_SEARCH_H
#define POSTOFFICE_STORAGE_SEARCH_H

#include "storage/query.h"

struct index;

/* An attribute, or what stands in the payload at a JSON pointer. A field's
 * value is compared by its JSON text, a string's without its quotes: as it is
 * written or decoded. */
enum search_term_kind {
    SEARCH_ATTRIBUTE = 1,
    SEARCH_FIELD = 2,
    /* The index's own: an ordering key, and that a message was scheduled. */
    SEARCH_KEY = 3,
    SEARCH_LATER = 4,
};
struct search_term {
    enum search_term_kind kind;
    struct slice name; /* Or the pointer (RFC 6901). */
    struct slice value;
};

/* Where a page ends and the next one goes on. */
struct search_place {
    uint64_t ms; /* Of a search by processed time; else 0. */
    uint64_t id; /* Below this (at `ms`); 0: at the beginning, or the end. */
};

/* What is 0, empty or NULL is not asked. Times are inclusive. */
struct message_query {
    uint32_t topic_id;
    uint32_t publisher_id;
    bool any_state; /* Else only with a delivery in `state`. */
    enum delivery_state state;
    struct slice key;
    const struct search_term *terms;
    uint32_t term_count; /* At most BOUND_SEARCH_TERMS. */
    struct slice text;   /* Somewhere in the payload's bytes. */
    uint64_t received_from_ms;
    uint64_t received_to_ms;
    uint64_t processed_from_ms;
    uint64_t processed_to_ms;
    struct search_place before; /* As another page of this search gave it. */
    uint32_t limit;
    /* Budgets; 0 or NULL: none. Something is looked at in any case. */
    uint32_t looks_max; /* Messages and rows. */
    /* Asked every few looks: whether the page must end. */
    bool (*spent)(void *context);
    void *spent_context;
};
static inline bool message_query_by_processed(const struct message_query *query)
{
    return query->processed_from_ms != 0 || query->processed_to_ms != 0;
}

struct message_page {
    struct message_view *messages;
    uint32_t count;
    struct search_place next; /* id 0: this was the last page. */
    bool cut;                 /* The budget was spent, not the page full. */
    /* All that is newer than this was looked at (by processed time, when it is
     * the order); 0: everything was. */
    uint64_t searched_ms;
};

/* `index` leads to messages more quickly; NULL: without. What it says is never
 * taken for true, and what it lacks is looked at; a damaged one is told so and
 * not used. ERR_NOT_FOUND: no such topic or publisher. ERR_INVALID: a pointer
 * that is none. */
int query_messages(struct view *view, struct index *index,
                   const struct message_query *query, struct arena *arena,
                   struct message_page *ret_page, struct error *error);

#endif
