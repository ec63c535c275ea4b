#include "station.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

/* --- The loop ----------------------------------------------------------- */

static void on_patience_end(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the condition did not come to hold");
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

void station_run_until(uv_loop_t *loop, bool (*holds)(void *context),
                       void *context)
{
    uv_timer_t patience;
    uv_timer_t tick;
    uv_timer_init(loop, &patience);
    uv_timer_init(loop, &tick);
    uv_update_time(loop);
    uv_timer_start(&patience, on_patience_end, PATIENCE_MS, 0);
    /* What is not of the loop may make it hold, too. */
    uv_timer_start(&tick, on_tick, 2, 2);
    while (!holds(context))
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&patience, NULL);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

static void on_over(uv_timer_t *timer)
{
    bool *over = timer->data;
    *over = true;
}

void station_run_ms(uv_loop_t *loop, uint64_t ms)
{
    uv_timer_t timer;
    bool over = false;
    uv_timer_init(loop, &timer);
    timer.data = &over;
    uv_update_time(loop);
    uv_timer_start(&timer, on_over, ms, 0);
    while (!over)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

/* --- Frames that can be checked ----------------------------------------- */

static void fill(struct buffer *buffer, uint64_t number)
{
    memset(buffer->data, (int)(number * 7 & 0xff), buffer->capacity);
    buffer->length = buffer->capacity;
}

static void check_fill(struct slice bytes, uint64_t number)
{
    uint8_t expected = (uint8_t)(number * 7);
    for (size_t i = 0; i < bytes.length; i += 509)
        assert_int_equal(bytes.data[i], expected);
    if (bytes.length > 0)
        assert_int_equal(bytes.data[bytes.length - 1], expected);
}

static void note(struct station *station, enum frame_lane lane, uint64_t number)
{
    if (station->gaps)
        assert_true(number > station->received[lane]);
    else
        assert_int_equal(number, station->received[lane] + 1);
    station->received[lane] = number;
}

static void on_received(void *context, uint64_t from, const struct frame *frame)
{
    struct station *station = context;
    if (frame->type == FRAME_PING) {
        station->pings++;
        return;
    }
    station->last_from = from;
    station->last_stamp = frame->stamp;
    switch (frame->type) {
    case FRAME_APPEND_ENTRIES:
        if (frame->message.append_entries.n_entries == 0) {
            note(station, LANE_SMALL, frame->stamp.sequence);
            break;
        }
        note(station, LANE_ENTRIES, frame->stamp.sequence);
        assert_int_equal(frame->entries[0].index, frame->stamp.sequence);
        check_fill(frame->entries[0].payload, frame->stamp.sequence);
        break;
    case FRAME_REQUEST:
        note(station, LANE_CALLS, frame->call.id);
        check_fill(frame->payload, frame->call.id);
        break;
    default:
        fail_msg("%s was not sent", frame_type_name(frame->type));
    }
    if (station->on_frame != NULL)
        station->on_frame(station, frame);
}

int station_send_buffer(struct station *station, uint64_t to,
                        enum frame_lane lane, struct buffer *buffer)
{
    uint64_t number = station->sent[lane] + 1;
    struct entry entry = {.term = 1, .type = ENTRY_COMMAND, .buffer = buffer};
    struct frame frame = {
        .stamp = {number, 1000 + number}, .entries = &entry, .buffer = buffer};
    if (lane == LANE_CALLS) {
        frame.type = FRAME_REQUEST;
        frame.call.id = number;
        frame.payload = buffer_slice(buffer);
    } else {
        frame.type = FRAME_APPEND_ENTRIES;
        frame.message.append_entries.term = 1;
        frame.message.append_entries.prev_log_index = number - 1;
        frame.message.append_entries.n_entries = lane == LANE_ENTRIES;
    }
    if (lane == LANE_ENTRIES) {
        entry.payload = buffer_slice(buffer);
        entry.checksum = entry_checksum(entry.payload);
    }
    int rc = transport_send(station->transport, to, &frame);
    if (rc == 0)
        station->sent[lane] = number;
    return rc;
}

int station_send(struct station *station, uint64_t to, enum frame_lane lane,
                 size_t length)
{
    struct buffer *buffer = buffer_new(length);
    assert_non_null(buffer);
    fill(buffer, station->sent[lane] + 1);
    int rc = station_send_buffer(station, to, lane, buffer);
    buffer_unref(buffer);
    return rc;
}

/* --- Life --------------------------------------------------------------- */

static void on_connected(void *context, uint64_t peer, uint64_t raft_id,
                         enum frame_lane lane)
{
    struct station *station = context;
    assert_true(transport_connected(station->transport, peer, lane));
    assert_true(handshake_means(peer, raft_id));
    station->connects++;
}

static void on_disconnected(void *context, uint64_t peer, enum frame_lane lane)
{
    struct station *station = context;
    assert_false(transport_connected(station->transport, peer, lane));
    station->disconnects++;
    if (station->on_disconnected != NULL)
        station->on_disconnected(station, peer);
}

void station_init(struct station *station, uv_loop_t *loop, uint64_t raft_id)
{
    *station = (struct station){
        .loop = loop,
        .options =
            {
                .listen = "127.0.0.1:0",
                .secret = slice_text("a secret of tests"),
                .cluster_id = {1, 2, 3},
                .raft_id = raft_id,
                .times = {.idle_ms = 60000,
                          .dial_ms = 5000,
                          .handshake_ms = 5000,
                          .backoff_ms_min = 5,
                          .backoff_ms_max = 40},
            },
    };
}

int station_open(struct station *station)
{
    const struct transport_callbacks callbacks = {
        .context = station,
        .received = on_received,
        .connected = on_connected,
        .disconnected = on_disconnected,
    };
    station->closed = false;
    return transport_open(station->loop, &station->options, &callbacks,
                          &station->transport, &station->error);
}

static void on_closed(void *context)
{
    struct station *station = context;
    station->closed = true;
}

static bool is_closed(void *context)
{
    const struct station *station = context;
    return station->closed;
}

void station_close(struct station *station)
{
    transport_close(station->transport, on_closed, station);
    assert_false(station->closed);
    station_run_until(station->loop, is_closed, station);
    station->transport = NULL;
}

void station_add(struct station *station, struct station *other)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u",
             transport_port(other->transport));
    assert_int_equal(transport_set_peer(station->transport,
                                        other->options.raft_id, address,
                                        &station->error),
                     0);
}

static bool sees(const struct station *station, const struct station *other)
{
    for (unsigned lane = 0; lane < LANES; lane++)
        if (!transport_connected(station->transport, other->options.raft_id,
                                 (enum frame_lane)lane))
            return false;
    return transport_figures(station->transport).guests >= LANES;
}

static bool have_met(void *context)
{
    struct station **pair = context;
    return sees(pair[0], pair[1]) && sees(pair[1], pair[0]);
}

void station_run_until_met(struct station *one, struct station *other)
{
    struct station *pair[2] = {one, other};
    station_run_until(one->loop, have_met, pair);
}
