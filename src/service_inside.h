/* service_inside.h - what the files of the service share: service.c (life,
 * other nodes), service_publish.c, service_read.c (reads that answer requests),
 * one file a resource, and service_status.c (health, space, figures). */
#ifndef POSTOFFICE_SERVICE_INSIDE_H
#define POSTOFFICE_SERVICE_INSIDE_H

#include "search_pace.h"
#include "service.h"

struct service {
    struct service_parts parts;
    backend_done done;
    void *done_context;
    const struct author *author;     /* Of the operation that is asked for. */
    struct token_wait *token_waits;  /* service_token.c */
    struct service_edit *edits;      /* Under way or waiting, in order. */
    struct service_batch *batches;   /* Under way. */
    struct writer_statistics writer; /* Not older than STATISTICS_MS. */
    uint64_t writer_ms;
    uint64_t leader_seen_ms;
    struct search_load load;
    uint64_t published;
    uint64_t published_bytes;
    uint64_t refused;
};

/* ---- Answers ---- */

/* Gives a result to http, with the id space filled in. */
void service_answer(struct service *service, struct backend_result *result);

/* An error known before anything was begun. It takes the way of a read, so
 * that no answer comes before the call that asked has returned. */
void service_refuse(struct service *service, uint64_t ticket, int code,
                    const char *field, const char *detail);

/* What apply said of a command, or that it was never applied: true when that
 * was an error, which is answered. `exists`: the field of ERR_EXISTS. */
bool service_failed(struct service *service, uint64_t ticket, int code,
                    const struct command_result *result, const char *exists);

/* Whether a change that needs no space to speak of can be proposed now: a full
 * disk is when some are wanted. 0, or an error to refuse with. */
int service_change_check(struct service *service);

/* Ends a command that proposer_begin() has begun, in the name of whoever asks
 * for the operation that runs. */
void service_propose(struct service *service, proposal_done done,
                     uint64_t ticket);
/* An author that outlives the operation: its texts are in the arena. */
struct author service_author_keep(const struct service *service,
                                  struct arena *arena);

/* ---- Reads (service_read.c) ---- */

/* A read that answers one request. */
struct service_read {
    struct read_job job;
    struct service *service;
    uint64_t ticket;
    enum backend_consistency consistency;
    struct reads *pool; /* That runs it. */
    /* On a thread of the pool: fills `result`, from the arena of the job. */
    int (*query)(struct service_read *read, struct view *view,
                 struct error *error);
    /* On the loop, when the query is done: true when the answer is given
     * already, or comes later. NULL: it is `result`. */
    bool (*then)(struct service_read *read);
    uint64_t id;
    uint32_t publisher_id;
    uint64_t now_ms;
    enum backend_thing thing;
    struct backend_page page;
    struct message_query search;
    bool busy; /* The search is to rest now and then. */
    struct audit_query audit;
    struct arena kept; /* What a query borrows; closed with the read. */
    void *data;        /* The query's own; freed with the read. */
    /* On NOT_FOUND, what of the request was not found; NULL: its path. */
    const char *missing;
    struct backend_result result;
};

struct service_read *service_read_new(struct service *service, uint64_t ticket,
                                      int (*query)(struct service_read *read,
                                                   struct view *view,
                                                   struct error *error));
/* Only a leader whose lease holds knows that nothing newer was committed
 * elsewhere. A local read does not ask, and takes the store's last commit as
 * it is. */
void service_read_submit(struct service_read *read,
                         enum backend_consistency consistency);
/* From a state that shows the entry at this index: what the change that it
 * held has made of things. */
void service_read_behind(struct service_read *read, uint64_t index);

struct publisher_activity service_activity(struct service *service,
                                           uint32_t publisher_id);

/* ---- Resources ---- */

/* service_publish.c */
void service_publish(void *context, uint64_t ticket,
                     const struct backend_publish *publish);
void service_publish_each(void *context, uint64_t ticket,
                          const struct backend_publish *publishes,
                          uint32_t count);
void service_batches_free(struct service *service);

/* service_topic.c */
void service_topic_create(void *context, uint64_t ticket,
                          const struct topic_options *options);
void service_topic_list(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        const struct backend_page *page);
void service_topic_get(void *context, uint64_t ticket,
                       enum backend_consistency consistency, struct slice name);
void service_topic_delete(void *context, uint64_t ticket, struct slice name,
                          bool force);

/* Answers with the topic as it is behind the entry at this index. */
void service_topic_answer(struct service *service, uint64_t ticket, uint32_t id,
                          uint64_t index);

/* service_publisher.c */
uint32_t
service_publisher_faults(void *context, const struct publisher_options *options,
                         struct backend_fault ret_faults[BACKEND_FAULTS_MAX]);
void service_publisher_create(void *context, uint64_t ticket,
                              const struct backend_publisher_create *request);
void service_publisher_list(void *context, uint64_t ticket,
                            enum backend_consistency consistency,
                            const struct backend_page *page);
void service_publisher_get(void *context, uint64_t ticket,
                           enum backend_consistency consistency, uint32_t id);
void service_publisher_delete(void *context, uint64_t ticket, uint32_t id);
/* Answers with the publisher as it is behind the entry at this index. */
void service_publisher_answer(struct service *service, uint64_t ticket,
                              uint32_t id, uint64_t index);
bool service_publisher_triple_taken(struct service *service, uint32_t but_id,
                                    uint32_t topic_id,
                                    const struct publisher_options *options);

void service_publisher_pause(void *context, uint64_t ticket, uint32_t id,
                             bool paused, struct slice reason);

void service_publisher_test(void *context, uint64_t ticket, uint32_t id);

/* service_identity.c */
void service_asked_by(void *context, const struct author *author);
bool service_authenticate(void *context, struct slice token,
                          struct backend_caller *ret_caller);
bool service_recognize(void *context, const struct backend_caller *caller);
void service_topic_of(void *context, uint64_t ticket,
                      enum backend_consistency consistency,
                      enum backend_thing thing, uint64_t id);
/* service_token.c */
void service_token_create(void *context, uint64_t ticket,
                          const struct token *token);
void service_token_revoke(void *context, uint64_t ticket, struct slice name);
void service_token_list(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        const struct backend_page *page);
void service_token_waits_free(struct service *service);
/* service_audit.c */
void service_audit_list(void *context, uint64_t ticket,
                        enum backend_consistency consistency,
                        const struct audit_query *query);

/* service_edit.c */
void service_topic_change(void *context, uint64_t ticket,
                          const struct backend_topic_change *change);
void service_publisher_change(void *context, uint64_t ticket,
                              const struct backend_publisher_change *change);
void service_publisher_rotate(void *context, uint64_t ticket, uint32_t id);
void service_edits_free(struct service *service);

/* service_message.c */
void service_message_get(void *context, uint64_t ticket,
                         enum backend_consistency consistency, uint64_t id);
void service_message_list(void *context, uint64_t ticket,
                          enum backend_consistency consistency,
                          const struct backend_search *search);
void service_message_explain(void *context, uint64_t ticket,
                             enum backend_consistency consistency, uint64_t id,
                             uint32_t publisher_id);
void service_message_retry(void *context, uint64_t ticket, uint64_t id,
                           uint32_t publisher_id);
void service_message_discard(void *context, uint64_t ticket, uint64_t id,
                             uint32_t publisher_id);

/* service_replay.c */
void service_replay_start(void *context, uint64_t ticket,
                          const struct backend_replay *replay);
void service_replay_get(void *context, uint64_t ticket,
                        enum backend_consistency consistency, uint32_t id);
void service_replay_cancel(void *context, uint64_t ticket, uint32_t id);

/* service_status.c: 0 when a message of so many bytes would be taken now; else
 * ERR_BUSY, ERR_UNAVAILABLE or ERR_NO_SPACE, with words. */
int service_publish_check(struct service *service, size_t size,
                          const char **ret_detail);
void service_status(void *context, struct backend_status *ret_status);
void service_stats(void *context, uint32_t step_seconds,
                   struct backend_stats *ret_stats);
void service_metrics(void *context, uint64_t ticket);

#endif
