/* curl_loop.h - libcurl's multi interface on the loop: sockets and timers.
 *
 * Sockets of connections are watched from their opening to their closing, so
 * that a kept-alive connection costs no system call for the watching.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_CURL_LOOP_H
#define POSTOFFICE_DELIVERY_CURL_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

struct curl_loop;

/* `finished` is called once for each transfer that was added and not removed;
 * it removes it (curl_loop_remove()). */
struct curl_loop *curl_loop_new(uv_loop_t *uv, long connections_max,
                                void (*finished)(void *context, CURL *easy,
                                                 CURLcode code),
                                void *context);

/* Whether a connection to this address may be made; asked for each one, with
 * the address that the socket is then made for. */
struct curl_door {
    bool (*allows)(struct curl_door *door, const struct sockaddr *address);
    struct curl_loop *loop; /* Set by curl_loop_prepare(). */
};

/* Sets the options by which the sockets of a new handle are made and watched.
 * The door must live as long as the handle. */
void curl_loop_prepare(struct curl_loop *loop, CURL *easy,
                       struct curl_door *door);
void curl_loop_add(struct curl_loop *loop, CURL *easy);
void curl_loop_remove(struct curl_loop *loop, CURL *easy);

/* All transfers must be removed. Calls closed() and frees. From no callback of
 * this module. */
void curl_loop_close(struct curl_loop *loop, void (*closed)(void *context),
                     void *context);

#endif
