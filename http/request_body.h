/* request_body.h - the bodies of the creation routes, as plain structs.
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

void request_body_publisher(struct slice body, struct arena *arena,
                            struct problem *problem,
                            struct backend_publisher_create *ret_create);

/* One message; `ret_message` is what ret_publish points to. Attributes are
 * encoded onto `attributes`. */
void request_body_message(struct slice body, const struct body_limits *limits,
                          struct arena *arena, struct encoder *attributes,
                          struct problem *problem, struct message *ret_message,
                          struct backend_publish *ret_publish);

/* A list of payloads that share topic, attributes and key; the messages live
 * in the arena. Too many: 406. */
void request_body_bulk(struct slice body, const struct body_limits *limits,
                       struct arena *arena, struct encoder *attributes,
                       struct problem *problem,
                       struct backend_publish *ret_publish);

/* `to`, a node id; 0 when it is not given or the body is empty. */
void request_body_transfer(struct slice body, struct arena *arena,
                           struct problem *problem, uint32_t *ret_to);

#endif
