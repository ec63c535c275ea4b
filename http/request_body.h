/* request_body.h - the bodies of requests, as plain structs.
 *
 * Each function adds what is wrong to `problem`; the result is meant to be
 * used only when problem->status stayed 0. Texts borrow from the body or live
 * in the arena. No I/O. Thread: any. */
#ifndef POSTOFFICE_HTTP_REQUEST_BODY_H
#define POSTOFFICE_HTTP_REQUEST_BODY_H

#include "http/backend.h"
#include "http/body_fields.h"

struct body_limits {
    size_t message_bytes_max; /* Payload, attributes and key of one. */
    uint32_t bulk_messages_max;
};

void request_body_topic(struct slice body, struct arena *arena,
                        struct problem *problem,
                        struct topic_options *ret_options);

void request_body_topic_change(struct slice body, struct arena *arena,
                               struct problem *problem,
                               struct backend_topic_change *ret_change);

void request_body_publisher(struct slice body, struct arena *arena,
                            struct problem *problem,
                            struct backend_publisher_create *ret_create);

void request_body_publisher_change(struct slice body, struct arena *arena,
                                   struct problem *problem,
                                   struct backend_publisher_change *ret_change);
/* `reason`; empty when it is not given. */
void request_body_pause(struct slice body, struct arena *arena,
                        struct problem *problem, struct slice *ret_reason);
/* A route that needs to know nothing more. */
void request_body_none(struct slice body, struct arena *arena,
                       struct problem *problem);

/* `publisher`; 0 when it is not given. */
void request_body_decision(struct slice body, struct arena *arena,
                           struct problem *problem, uint32_t *ret_publisher);
void request_body_replay(struct slice body, struct arena *arena,
                         struct problem *problem,
                         struct backend_replay *ret_replay);

/* Its digest is the backend's to make. */
void request_body_token(struct slice body, struct arena *arena,
                        struct problem *problem, struct token *ret_token);

/* Whether the time at which a message is due must be given. */
enum body_schedule { BODY_NOW_OR_LATER, BODY_LATER };

/* One message; `ret_message` is what ret_publish points to. Attributes are
 * encoded onto `attributes`. */
void request_body_message(struct slice body, enum body_schedule schedule,
                          const struct body_limits *limits, struct arena *arena,
                          struct encoder *attributes, struct problem *problem,
                          struct message *ret_message,
                          struct backend_publish *ret_publish);

/* One line of application/x-ndjson, a message that may be due later. What it
 * does not know is an error. */
void request_body_line(struct slice line, const struct body_limits *limits,
                       struct arena *arena, struct encoder *attributes,
                       struct problem *problem, struct message *ret_message,
                       struct backend_publish *ret_publish);
/* Takes the next line that is not blank off the body; false: there is none. */
bool request_body_next_line(struct slice *body, struct slice *ret_line);

/* A list of payloads that share topic, attributes, key and time; they live
 * in the arena. Too many: 406. */
void request_body_bulk(struct slice body, const struct body_limits *limits,
                       struct arena *arena, struct encoder *attributes,
                       struct problem *problem,
                       struct backend_publish *ret_publish);

/* `to`, a node id; 0 when it is not given or the body is empty. */
void request_body_transfer(struct slice body, struct arena *arena,
                           struct problem *problem, uint32_t *ret_to);

#endif
