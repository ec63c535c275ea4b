/* query.h - reading the state through a consistent view.
 *
 * A view is an LMDB read transaction: it sees exactly the state of one
 * applied index. Keep it short, it pins pages. What a query returns is copied
 * into the caller's arena, so that it outlives the view. Counters are kept by
 * apply and only read here; nothing scans a topic.
 * Errors of all: ERR_NOT_FOUND where said, ERR_CORRUPT, ERR_IO.
 * Thread: the one that began the view. */
#ifndef POSTOFFICE_STORAGE_QUERY_H
#define POSTOFFICE_STORAGE_QUERY_H

#include "storage/model.h"
#include "storage/store.h"

struct view;

int view_begin(struct store *store, struct view **ret_view,
               struct error *error);
void view_end(struct view *view); /* NULL is fine. */
uint64_t view_applied_index(const struct view *view);
struct state_hash view_state_hash(const struct view *view);

struct cluster_identity {
    uint8_t cluster_id[16];
    uint64_t id_space; /* 0: no INIT was applied yet. */
};
int query_identity(struct view *view, struct cluster_identity *ret,
                   struct error *error);

/* In order of id, from the first above after_id; at most `limit`. */
int query_topics(struct view *view, uint32_t after_id, uint32_t limit,
                 struct arena *arena, struct topic **ret_topics,
                 uint32_t *ret_count, struct error *error);

/* The counters of one publisher, from its `hot` record and its topic's. */
struct publisher_counts {
    uint64_t backlog;
    uint64_t open;
    uint64_t retrying;
    uint64_t dead;
    uint64_t ambiguous;
    uint64_t discarded;
    uint64_t delivered;
    uint64_t filtered;
    uint64_t scheduled;
    uint64_t oldest_undelivered_ms; /* When that message was received. */
    uint64_t last_delivered_ms;
    /* The last failure; at 0: none. */
    uint64_t last_error_ms;
    struct attempt last_error;
};
struct publisher_view {
    struct publisher publisher;
    struct publisher_counts counts;
};
/* In order of id; topic_id 0 means all. The topics' names are filled in. */
int query_publishers(struct view *view, uint32_t topic_id, uint32_t after_id,
                     uint32_t limit, struct arena *arena,
                     struct publisher_view **ret_publishers,
                     uint32_t *ret_count, struct error *error);
/* ERR_NOT_FOUND. */
int query_publisher(struct view *view, uint32_t id, struct arena *arena,
                    struct publisher_view *ret, struct error *error);

/* The message and what became of it at every publisher that wants it.
 * ERR_NOT_FOUND. */
struct message_view {
    struct message message;
    struct slice topic; /* Its name. */
    struct delivery *deliveries;
    uint32_t delivery_count;
};
int query_message(struct view *view, uint64_t id, struct arena *arena,
                  struct message_view *ret, struct error *error);

/* ---- For the leader's delivery ---- */

/* What a pipeline needs to begin or go on. */
struct pipeline_view {
    struct publisher publisher;
    uint64_t next;              /* First position not examined. */
    uint64_t last_position;     /* The topic's. */
    uint64_t retrying;          /* How many wait for their next attempt. */
    uint64_t first_due_ms;      /* The earliest of them; 0: none. */
    struct open_position *open; /* Ascending by position. */
    uint32_t open_count;
};
/* Every publisher, at takeover: `hot` records and first due rows, no scan of
 * messages. Slices live in arena. */
int query_pipelines(struct view *view, uint32_t after_id, uint32_t limit,
                    struct arena *arena, struct pipeline_view **ret,
                    uint32_t *ret_count, struct error *error);

/* A message to deliver. */
struct feed_item {
    uint64_t position;
    /* By query_due(); the others do not know of any publisher: 0, false. */
    uint32_t attempts; /* Made so far. */
    bool doubt;        /* One of them may have arrived unseen. */
    struct message message;
};
/* Messages of a topic in position order from `from` on, at most so many and
 * about so many payload bytes (at least one when there is one). */
int query_feed(struct view *view, uint32_t topic_id, uint64_t from,
               uint32_t count_max, size_t bytes_max, struct arena *arena,
               struct feed_item **ret_items, uint32_t *ret_count,
               struct error *error);
/* The same for named positions (ascending); missing ones are left out. */
int query_positions(struct view *view, uint32_t topic_id,
                    const uint64_t *positions, uint32_t count,
                    struct arena *arena, struct feed_item **ret_items,
                    uint32_t *ret_count, struct error *error);
/* Retries of a publisher due by due_ms, earliest first; and when the first
 * one after those is due (0: none). */
int query_due(struct view *view, uint32_t publisher_id, uint64_t due_ms,
              uint32_t count_max, size_t bytes_max, struct arena *arena,
              struct feed_item **ret_items, uint32_t *ret_count,
              uint64_t *ret_next_due_ms, struct error *error);
/* Deleted publishers whose rows are not all gone; at most `limit` ids. */
int query_purges(struct view *view, uint32_t limit, struct arena *arena,
                 uint32_t **ret_ids, uint32_t *ret_count, struct error *error);

#endif
