/* client.h - requests of the command line to a node's API, one at a time over
 * a kept-alive connection.
 *
 * Thread: main. */
#ifndef POSTOFFICE_CLI_CLIENT_H
#define POSTOFFICE_CLI_CLIENT_H

#include "base/slice.h"
#include "grid.h"
#include "invocation.h"

#include <jansson.h>

struct client;

/* --url, --token and --ca-file, or POSTOFFICE_URL, POSTOFFICE_TOKEN and
 * POSTOFFICE_CA_FILE. What cannot be used is a usage error (exits 2). Never
 * NULL. */
struct client *client_new(const struct invocation *invocation);
void client_free(struct client *client); /* NULL is fine. */
const char *client_url(const struct client *client);

/* Why there was no answer. */
enum client_failure {
    CLIENT_ANSWERED,
    CLIENT_REFUSED, /* Nobody listens, no such host: nothing was sent. */
    CLIENT_BROKEN,  /* The request may have been carried out. */
};

/* Borrowed from the client until its next request. */
struct answer {
    enum client_failure failure;
    long status;             /* 0 without an answer. */
    struct slice body;       /* As it came. */
    const json_t *json;      /* The same, read; NULL: it is not JSON. */
    const char *words;       /* Why there was none. */
    uint64_t retry_after_ms; /* As it asks to wait; 0: it does not. */
};

struct client_request {
    const char *method;
    const char *path;
    struct slice body;           /* May be empty. */
    const char *type;            /* NULL: application/json. */
    const char *idempotency_key; /* NULL: none. */
};

struct answer client_call(struct client *client,
                          const struct client_request *request);

/* Says on standard error what is wrong and what to do about it. */
void client_report(const struct client *client,
                   const struct invocation *invocation,
                   const struct answer *answer);

/* ---- The whole of a command that asks once and shows what it is told ---- */

/* Shows an answer's `data` for people. */
typedef void answer_show(const struct invocation *invocation,
                         const json_t *data);

/* Sends the request, then shows its answer: by `show`, or with --json as it
 * came; a refusal is reported. Takes the path and the body (NULL: none).
 * Returns the exit status. */
int client_ask(const struct invocation *invocation, const char *method,
               struct encoder *path, json_t *body, answer_show *show);

/* A list, page by page: shows it as a table, or `none` when it is empty. Its
 * options are list_flags, or they include them: --limit is how many are
 * shown at most, --all shows all there are. Takes the path. */
int client_list(const struct invocation *invocation, struct encoder *path,
                const struct grid_column *columns, const char *none);
extern const struct flag list_flags[];

/* Prints an answer's body for --json: as it is; on a terminal with what could
 * act on it escaped. */
void answer_print(const struct answer *answer);

#endif
