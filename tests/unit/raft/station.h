/* station.h - a transport on a loop that several share, and what it received
 * noted; for tests. Frames that stations send are numbered per lane, and their
 * contents follow from the number, so that loss, order and damage show. */
#ifndef POSTOFFICE_TESTS_RAFT_STATION_H
#define POSTOFFICE_TESTS_RAFT_STATION_H

#include "raft/transport.h"

struct station {
    uv_loop_t *loop;
    struct transport *transport;
    struct transport_options options;
    struct error error;
    uint64_t sent[LANES];     /* Number of the last frame. */
    uint64_t received[LANES]; /* The same; they must come one by one, */
    bool gaps;                /* unless this is set: then only rising. */
    uint64_t pings;           /* That came. */
    uint64_t last_from;
    struct frame_stamp last_stamp;
    uint64_t connects;
    uint64_t disconnects;
    bool closed;
    /* Called for each frame when set. */
    void (*on_frame)(struct station *station, const struct frame *frame);
    void (*on_disconnected)(struct station *station, uint64_t peer);
    void *context;
};

/* Runs the loop until it holds; fails the test when it does not come to. */
void station_run_until(uv_loop_t *loop, bool (*holds)(void *context),
                       void *context);
void station_run_ms(uv_loop_t *loop, uint64_t ms);

/* A node on loopback with the tests' secret. It dials often, and cuts silent
 * lines late: a machine that is busy must not make a test fail. */
void station_init(struct station *station, uv_loop_t *loop, uint64_t raft_id);
int station_open(struct station *station);
void station_close(struct station *station);
void station_add(struct station *station, struct station *other);

/* The next frame of the lane, with so many bytes of payload where the lane has
 * any; a new buffer each time. */
int station_send(struct station *station, uint64_t to, enum frame_lane lane,
                 size_t length);
/* The same with the buffer given. */
int station_send_buffer(struct station *station, uint64_t to,
                        enum frame_lane lane, struct buffer *buffer);

/* All three lanes of each to the other are open. */
void station_run_until_met(struct station *one, struct station *other);

#endif
