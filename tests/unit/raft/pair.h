/* pair.h - two stations on one loop, for tests of what goes between them and
 * of who comes in besides. Each test begins and ends with pair_set_up() and
 * pair_tear_down(). */
#ifndef POSTOFFICE_TESTS_RAFT_PAIR_H
#define POSTOFFICE_TESTS_RAFT_PAIR_H

#include "station.h"
#include "stranger.h"

enum { SHORT_MS = 200, SLOW_MS = 1000 };
enum { ONE = 1 << 16 | 1, TWO = 1 << 16 | 2, THREE = 1 << 16 | 3 };

extern uv_loop_t loop;
extern struct station one;
extern struct station two;

int pair_set_up(void **state);
int pair_tear_down(void **state);
void open_both(void);
void meet(void); /* They know each other, and all lanes are open. */
struct transport_figures figures_of(const struct station *station);
/* As somebody who knows the secret of station one. */
struct handshake_options credentials(enum handshake_role role, uint64_t raft_id,
                                     enum frame_lane purpose);
/* A bare socket that has come in as node 3. */
int come_in(enum frame_lane purpose);

/* A frame of this length on each lane that is not full. */
void send_some(struct station *from, uint64_t to, size_t length);
/* Of what both have sent. */
void run_until_all_arrived(void);

#endif
