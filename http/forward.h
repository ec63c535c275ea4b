/* forward.h - requests between nodes: what only the leader can do is sent on
 * to it, and its answer is passed on as it is.
 *
 *     request  version u8 | caller | method | target | request id | headers |
 *              body
 *     answer   version u8 | status u16 | type | headers | body
 *
 * The caller is whom this node has found the client to be (identity.h): its
 * token does not go along, and the leader need not know it. Members believe
 * one another, since they have proved the cluster's secret.
 *
 * Texts are {u32 length, bytes}; headers are a count u8 and so many names and
 * values. Never more than one hop: a node that is sent a request and does not
 * lead answers 503. Of the request's headers only those go along that a
 * handler may look at.
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_FORWARD_H
#define POSTOFFICE_HTTP_FORWARD_H

#include "http/request.h"

enum { FORWARD_VERSION = 2 };

/* This node does not lead, another does, and the request came from a client. */
bool forward_is_needed(const struct request *request);

/* Sends it on and answers it with what comes back. */
void forward_send(struct request *request);

/* ---- For requests that were sent here ---- */

bool forward_find_header(const struct forwarded *forwarded, const char *name,
                         struct slice *ret_value);
/* Encodes request->answer and its headers, gives them to whoever waits, and
 * frees the request. */
void forward_answer(struct request *request, int status, const char *type);
/* The server closes: those that wait are answered. */
void forward_give_up(struct http_server *server);

#endif
