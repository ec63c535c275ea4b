/* send.h - what the files of `postoffice send` share.
 * Thread: main. */
#ifndef POSTOFFICE_CLI_SEND_H
#define POSTOFFICE_CLI_SEND_H

#include "bookmark.h"
#include "client.h"

/* What stands around each payload: "{...,"payload":" and "}". Empty: lines are
 * whole messages. Adds to `body`. */
void send_wrap(struct encoder *body, struct slice begun, struct slice payload);

/* Whether it is one JSON value and nothing more. */
bool send_is_json(struct slice text);

/* Why a request is not to be sent again as it was. */
enum delivery {
    SENT,      /* There is an answer to show. */
    TOO_LARGE, /* 413: smaller ones may be taken. */
    GIVEN_UP,  /* Reported. */
};

/* Sends a request until a node has taken or refused it: while none does, it is
 * sent again for --retry-seconds, which its idempotency key makes safe. A
 * first request that finds nobody is given up at once (`first`). What is said
 * of it goes to standard error. */
enum delivery send_surely(const struct invocation *invocation,
                          struct client *client,
                          const struct client_request *request, bool first,
                          struct answer *ret_answer);

/* Publishes what standard input has; returns the exit status. */
int send_stream(const struct invocation *invocation, struct client *client,
                struct slice begun);

/* Fills in a fresh beginning of idempotency keys, or --idempotency-key. */
void send_make_key(const struct invocation *invocation,
                   char key[BOOKMARK_KEY_SIZE]);

#endif
