/* curl_loop.h - libcurl's multi interface on the loop: sockets and timers.
 *
 * Sockets of connections are watched from their opening to their closing, so
 * that a kept-alive connection costs no system call for the watching.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_CURL_LOOP_H
#define POSTOFFICE_DELIVERY_CURL_LOOP_H

#include <curl/curl.h>
#include <uv.h>

struct curl_loop;

/* `finished` is called once for each transfer that was added and not removed;
 * it removes it (curl_loop_remove()). */
struct curl_loop *curl_loop_new(uv_loop_t *uv, long connections_max,
                                void (*finished)(void *context, CURL *easy,
                                                 CURLcode code),
                                void *context);

/* Sets the options by which the sockets of a new handle are watched. */
void curl_loop_prepare(struct curl_loop *loop, CURL *easy);
void curl_loop_add(struct curl_loop *loop, CURL *easy);
void curl_loop_remove(struct curl_loop *loop, CURL *easy);

/* All transfers must be removed. Calls closed() and frees. From no callback of
 * this module. */
void curl_loop_close(struct curl_loop *loop, void (*closed)(void *context),
                     void *context);

#endif
