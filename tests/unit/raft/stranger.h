/* stranger.h - the other end of a connection as a bare socket, which does what
 * no transport would: be silent, send garbage, take nothing; for tests. It may
 * go through the handshake first, as somebody who knows the secret. */
#ifndef POSTOFFICE_TESTS_RAFT_STRANGER_H
#define POSTOFFICE_TESTS_RAFT_STRANGER_H

#include "raft/handshake.h"

#include <uv.h>

/* Connected to a port of this machine; does not block. */
int stranger_dial(uint16_t port);
/* Listens on some port. */
int stranger_listen(uint16_t *ret_port);

/* As much as the line takes. */
void stranger_send(int fd, const void *bytes, size_t length);
/* Reads what there is, up to so much; the sum. */
size_t stranger_read(int fd, size_t length);
/* The other side has closed it. */
bool stranger_is_cut(void *fd);
void stranger_run_until_cut(uv_loop_t *loop, int fd);

/* Goes through the handshake as this dialer or listener, running the loop. A
 * listener accepts first: the new socket is returned. */
int stranger_shake(uv_loop_t *loop, int fd,
                   const struct handshake_options *options);

#endif
