/* search_inside.h - what the parts of a search share: search.c (the page),
 * search_plan.c (what to walk), search_lead.c (which term of the index),
 * search_settled.c (by processed time), search_match.c (what is asked of one
 * message). Thread: the view's. */
#ifndef POSTOFFICE_STORAGE_SEARCH_INSIDE_H
#define POSTOFFICE_STORAGE_SEARCH_INSIDE_H

#include "base/json_pointer.h"
#include "storage/index_inside.h"
#include "storage/search.h"
#include "storage/search_stream.h"
#include "storage/view.h"

/* A publisher whose deliveries are asked for. */
struct search_publisher {
    uint32_t id;
    uint32_t topic_id;
    struct hot hot;
};

struct search {
    struct view *view;
    struct index_view *index;
    const struct message_query *query;
    struct arena arena; /* Of the plan. */
    uint32_t topic_id;  /* The query's, or its publisher's; 0: all. */
    struct search_pointer
        *pointers;     /* Of each term; an attribute's is empty. */
    uint64_t first_id; /* By the times of receipt: nothing outside of these */
    uint64_t last_id;  /* ids can match. */
    struct search_publisher *publishers; /* When deliveries are asked for. */
    uint32_t publisher_count;
    struct streams streams;
    uint64_t looks; /* Spent of the budget. */
    size_t bytes;   /* Of payloads on the page. */
    uint32_t unasked_looks;
};

struct search_pointer {
    struct json_token *tokens;
    uint32_t count;
};

/* ---- search_match.c ---- */

/* Reads the pointers. ERR_INVALID with words. */
int search_compile(struct search *search, struct error *error);
/* All but what concerns deliveries. */
bool search_matches(const struct search *search, const struct message *message);
/* Whether it is known by the deliveries alone that one of them is asked for. */
bool search_asks_deliveries(const struct message_query *query);
/* The latest time at which a delivery that is asked for was processed, 0 when
 * that is not asked; *ret_matches: there is one at all. The message stands at
 * `position` (0: it is scheduled). */
int search_match_deliveries(struct search *search,
                            const struct message *message, uint64_t position,
                            struct arena *arena, bool *ret_matches,
                            uint64_t *ret_processed_ms, struct error *error);

/* ---- search_plan.c ---- */

/* Opens the streams that hold, together, all that can match. */
int search_plan(struct search *search, struct error *error);

/* What a plan goes over: one topic, or all. */
struct search_scope {
    uint32_t *topics;
    uint32_t count;
    bool too_many;
};
/* Adds a stream of what lies within, and within the search's own ids. */
int search_add(struct search *search, enum stream_kind kind,
               enum database database, struct key prefix, uint64_t floor,
               uint64_t ceiling, struct error *error);

/* ---- search_lead.c ---- */

/* A term of the index that leads to what matches. */
struct search_lead {
    bool found;
    double guess; /* To about how many messages. */
    uint64_t hash;
    struct slice pointer; /* Of a field; not every topic is indexed by it. */
};
/* The term that leads to the fewest, if they are fewer than lead->guess. */
int search_lead_find(struct search *search, const struct search_scope *scope,
                     struct search_lead *lead, struct error *error);
/* Adds streams that hold all that can match, as far as messages are indexed. */
int search_lead_add(struct search *search, const struct search_scope *scope,
                    const struct search_lead *lead, struct error *error);
/* What the index has of one term of one topic. */
int search_add_term(struct search *search, uint32_t topic_id, uint64_t hash,
                    struct error *error);

/* ---- search_settled.c ---- */

/* The page by processed time. */
int search_by_processed(struct search *search, struct arena *arena,
                        struct message_page *page, struct error *error);

/* ---- search.c ---- */

/* Counts looks; true when the budget is spent. */
bool search_spend(struct search *search, uint32_t looks);
/* Copies it to the page. ERR_NOT_FOUND: its topic was deleted. */
int search_take(struct search *search, uint64_t id, struct arena *arena,
                struct message_page *page, struct error *error);
static inline bool search_page_full(const struct search *search,
                                    const struct message_page *page)
{
    return page->count == search->query->limit ||
           search->bytes >= BOUND_FEED_BYTES;
}

#endif
