/* fake_backend.h - a backend that does what a test says.
 *
 * It notes each call as a line of text and answers it when the loop is
 * pumped, unless it was told to hold its answers. Thread: the test's. */
#ifndef POSTOFFICE_TESTS_HTTP_FAKE_BACKEND_H
#define POSTOFFICE_TESTS_HTTP_FAKE_BACKEND_H

#include "http/server.h"

enum {
    FAKE_PENDING_MAX = 8192,
    FAKE_LOG_SIZE = 4096,
    FAKE_APPLIED_INDEX = 1234, /* Of every answer. */
};

struct fake_backend {
    char log[FAKE_LOG_SIZE]; /* "publish t 1 [payload]\n" ... */
    struct backend_result pending[FAKE_PENDING_MAX];
    uint32_t pending_count;
    bool hold; /* Answers wait for fake_release(). */
    int code;  /* Of the next answers. */
    const char *field;
    bool replayed; /* So are the next publishes. */
    struct backend_status status;
    struct backend_explanation explanation; /* Of the next questions. */
    uint64_t next_id;
    uint32_t list_total; /* Elements of its lists. */
    void *server;
    /* Whoever shows the token "good" is this one; NULL: all are anonymous. Of a
     * forwarded one the fake says that it may not be any more when `revoked`
     * is set. */
    const struct backend_caller *caller;
    bool revoked;
    /* Another node leads: requests are sent on, to this same server. */
    bool elsewhere;
    struct fake_forward {
        uint64_t ticket;
        uint8_t *bytes;
        size_t length;
    } forwards[FAKE_PENDING_MAX];
    uint32_t forward_count;
};

void fake_init(struct fake_backend *fake);
struct backend fake_backend(struct fake_backend *fake);
/* Gives every pending answer to the server, unless they are held. */
void fake_deliver(struct fake_backend *fake);
void fake_release(struct fake_backend *fake);

#endif
