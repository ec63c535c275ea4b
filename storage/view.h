/* view.h - the inside of struct view: what the parts of the queries share.
 * Thread: the view's. */
#ifndef POSTOFFICE_STORAGE_VIEW_H
#define POSTOFFICE_STORAGE_VIEW_H

#include "storage/body.h"
#include "storage/hot.h"
#include "storage/log_walk.h"
#include "storage/query.h"

struct view {
    struct transaction transaction;
    struct applied_row applied;
    struct body_reader bodies; /* Opened at first use. */
    bool bodies_open;
};

/* Ids in a database that is keyed by id, and the publishers of a topic: in
 * order, from the first above after_id, at most `limit`. */
int view_ids(struct view *view, enum database database, uint32_t after_id,
             uint32_t limit, struct arena *arena, uint32_t **ret_ids,
             uint32_t *ret_count, struct error *error);
int view_topic_publishers(struct view *view, uint32_t topic_id,
                          uint32_t after_id, uint32_t limit,
                          struct arena *arena, uint32_t **ret_ids,
                          uint32_t *ret_count, struct error *error);

/* Rows by id. The publisher's and the topic's texts are copied to the arena.
 * ERR_NOT_FOUND comes without words. */
int view_topic(struct view *view, uint32_t id, struct arena *arena,
               struct topic *ret_topic, struct error *error);
int view_publisher(struct view *view, uint32_t id, struct arena *arena,
                   struct publisher *ret_publisher, struct error *error);
/* To be closed with hot_close(). A publisher without one is corruption. */
int view_hot(struct view *view, uint32_t publisher_id, struct hot *ret_hot,
             struct error *error);
/* When the publisher's first retry is due; 0: none. */
int view_first_due(struct view *view, uint32_t publisher_id,
                   uint64_t *ret_due_ms, struct error *error);
/* The text of its error is copied. */
void view_circuit(const struct hot *hot, struct arena *arena,
                  struct circuit *ret_circuit);
/* Borrowed from the view, or copied to the arena when there is one.
 * ERR_NOT_FOUND. */
int view_message(struct view *view, uint64_t id, struct arena *arena,
                 struct message *ret_message, struct error *error);
/* The first message of the topic at or above the position. ERR_NOT_FOUND. */
int view_first_message(struct view *view, uint32_t topic_id, uint64_t position,
                       struct message *ret_message, struct error *error);

/* The delivery's state and all that is known of it; its publisher_id is set. */
int view_derive(struct view *view, struct hot *hot, uint64_t position,
                uint64_t key, struct arena *arena, struct delivery *delivery,
                struct error *error);
/* Topic and deliveries of ret->message, which stands at `position` (0: it is
 * scheduled). ERR_NOT_FOUND: its topic was deleted. */
int view_deliveries(struct view *view, uint64_t position, struct arena *arena,
                    struct message_view *ret, struct error *error);

#endif
