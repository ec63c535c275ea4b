/* outgoing.h - the request that carries a message: its body and its headers,
 * without I/O.
 *
 *     payload                    the payload's bytes, as published
 *     payload_with_attributes    an object payload gains a member `attributes`
 *                                (in place of one that it has)
 *     cloudevents                CloudEvents 1.0, structured
 *     envelope                   id, public_id, topic, key, received_at,
 *                                attributes, payload
 *
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_OUTGOING_H
#define POSTOFFICE_DELIVERY_OUTGOING_H

#include "scheduler.h"
#include "signature.h"

struct outgoing {
    /* The body: the letter's own payload, or made here. */
    struct slice body;
    struct encoder made;
    /* Lines "name: value", each with a terminating NUL, back to back. */
    struct encoder headers;
    uint32_t header_count;
};

/* What is not the message's: who and when. */
struct outgoing_context {
    const char *public_id;
    uint64_t now_ms;
    struct signer *signer;
};

/* Fills an empty or used one, whose memory is used again. Body and headers
 * are valid until the next call, and while the letter is. */
void outgoing_make(struct outgoing *outgoing, const struct delivery_send *send,
                   const struct outgoing_context *context);
void outgoing_close(struct outgoing *outgoing);

#endif
