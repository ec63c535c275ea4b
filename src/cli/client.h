/* client.h - requests of the command line to a node's API, one at a time over
 * a kept-alive connection. */
#ifndef POSTOFFICE_CLI_CLIENT_H
#define POSTOFFICE_CLI_CLIENT_H

#include "base/slice.h"

#include <argp.h>
#include <jansson.h>

struct client;

/* --url and --token, or POSTOFFICE_URL and POSTOFFICE_TOKEN. A child parser
 * for the subcommands: give it a struct client_options as its input. */
struct client_options {
    const char *url;
    const char *token;
};
extern const struct argp client_argp;
void client_options_init(struct client_options *options);

struct client *client_new(const struct client_options *options);
void client_free(struct client *client); /* NULL is fine. */

/* Sends a request; body may be empty. Returns the status, and the answer in
 * *ret_answer (NULL when it is not JSON; the caller releases it). 0 when there
 * was no answer: then client_error() has the words. */
long client_request(struct client *client, const char *method, const char *path,
                    struct slice body, json_t **ret_answer);
const char *client_error(const struct client *client);

/* What the answer says is wrong, in one line on standard error. */
void client_report(const struct client *client, long status,
                   const json_t *answer);

#endif
