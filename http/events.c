#include "http/events.h"

#include "http/event_text.h"
#include "http/identity.h"
#include "http/resources.h"
#include "http/server_inside.h"

#include "base/bounds.h"
#include "base/logger.h"

#include <inttypes.h>

enum {
    PART_BYTES = 16 * 1024, /* Sent at once, or one event more. */
    /* How soon a client whose connection broke comes again. */
    RETRY_MS = 1000,
};

struct event_stream {
    h2o_generator_t generator; /* First: h2o's callbacks give it back. */
    struct request *request;
    struct event_stream *next;
    struct event_stream **link; /* What points here. */
    uint64_t read;              /* Up to this event. */
    uint32_t types;             /* A bit for each that is wanted. */
    struct slice topic;         /* Only what is about it; empty: all. */
    bool sending;
    bool ending;
    bool cut;
    uint64_t spoken_ms;
    uint64_t vetted_ms;
};

void events_init(struct events *events, uint32_t heartbeat_ms)
{
    *events = (struct events){.heartbeat_ms = heartbeat_ms};
    event_ring_init(&events->ring, BOUND_EVENTS_KEPT);
}

void events_close(struct events *events)
{
    event_ring_close(&events->ring);
}

static struct events *events_of(const struct event_stream *stream)
{
    return &stream->request->server->events;
}

static void unlink_stream(struct event_stream *stream)
{
    *stream->link = stream->next;
    if (stream->next != NULL)
        stream->next->link = stream->link;
    events_of(stream)->stream_count--;
}

void events_forget(struct request *request)
{
    if (request->stream != NULL)
        unlink_stream(request->stream);
    request->stream = NULL;
}

bool events_is_sending(const struct request *request)
{
    return request->stream->sending;
}

/* ---- Parts ---- */

static void send_part(struct event_stream *stream, h2o_send_state_t state)
{
    struct request *request = stream->request;
    h2o_iovec_t part =
        h2o_iovec_init((char *)request->answer.data, request->answer.length);
    stream->sending = true;
    stream->spoken_ms = uv_now(request->server->loop);
    request->connection->steps++;
    h2o_send(request->h2o, &part, part.len == 0 ? 0 : 1, state);
}

static void end(struct event_stream *stream)
{
    stream->request->answer.length = 0;
    send_part(stream, H2O_SEND_STATE_FINAL);
}

static bool is_wanted(const struct event_stream *stream,
                      const struct ring_event *event)
{
    const struct request *request = stream->request;
    if ((stream->types & 1u << event->type) == 0)
        return false;
    if (stream->topic.length > 0 && !slice_equal(stream->topic, event->topic))
        return false;
    return request->caller.topics.length == 0 ||
           (event->topic.length > 0 && identity_reaches(request, event->topic));
}

static void write_id(const struct event_stream *stream, uint64_t number)
{
    encoder_print(&stream->request->answer, "id: %016" PRIx64 "-%" PRIu64 "\n",
                  stream->request->server->id_seed, number);
}

/* Sends what is new, unless a part is still under way. */
static void pump(struct event_stream *stream)
{
    struct encoder *answer = &stream->request->answer;
    const struct event_ring *ring = &events_of(stream)->ring;
    struct ring_event event;
    if (stream->sending)
        return;
    answer->length = 0;
    while (answer->length < PART_BYTES &&
           event_ring_next(ring, stream->read, &event)) {
        stream->read = event.number;
        if (!is_wanted(stream, &event))
            continue;
        write_id(stream, event.number);
        encoder_bytes(answer, event.text);
    }
    if (answer->length > 0)
        send_part(stream, H2O_SEND_STATE_IN_PROGRESS);
}

static void beat(struct event_stream *stream)
{
    struct encoder *answer = &stream->request->answer;
    answer->length = 0;
    encoder_bytes(answer, slice_text(":\n\n"));
    send_part(stream, H2O_SEND_STATE_IN_PROGRESS);
}

/* The client has taken the last part. */
static void on_proceed(h2o_generator_t *generator, h2o_req_t *h2o)
{
    struct event_stream *stream = (struct event_stream *)generator;
    (void)h2o;
    stream->sending = false;
    if (stream->ending)
        end(stream);
    else if (event_ring_reaches(&events_of(stream)->ring, stream->read))
        pump(stream);
    else
        beat(stream); /* It was cut, which only a write finds out. */
}

static void cut(struct event_stream *stream)
{
    LOG_INFO("http", "a client is too slow for its events",
             FIELD_SLICE("request_id", stream->request->id));
    stream->cut = true;
    connection_cut(stream->request->connection);
}

void http_server_event(struct http_server *server,
                       const struct backend_event *event)
{
    struct event_ring *ring = &server->events.ring;
    server->scratch.length = 0;
    event_text_write(&server->scratch, event);
    event_ring_add(ring, event->type, event->topic,
                   encoder_slice(&server->scratch));
    struct event_stream *next;
    for (struct event_stream *stream = server->events.streams; stream != NULL;
         stream = next) {
        next = stream->next;
        if (event_ring_reaches(ring, stream->read))
            pump(stream);
        else if (!stream->cut)
            cut(stream);
    }
}

/* ---- Time ---- */

static void finish(struct event_stream *stream)
{
    stream->ending = true;
    if (!stream->sending)
        end(stream);
}

void events_sweep(struct http_server *server, uint64_t now_ms)
{
    uint32_t beat_ms = server->events.heartbeat_ms;
    struct event_stream *next;
    for (struct event_stream *stream = server->events.streams; stream != NULL;
         stream = next) {
        next = stream->next;
        bool vet = !stream->ending && now_ms - stream->vetted_ms >= beat_ms;
        if (vet)
            stream->vetted_ms = now_ms;
        if (vet && !identity_stands(stream->request))
            finish(stream);
        else if (!stream->sending && now_ms - stream->spoken_ms >= beat_ms)
            beat(stream);
    }
}

void events_end(struct http_server *server)
{
    struct event_stream *next;
    for (struct event_stream *stream = server->events.streams; stream != NULL;
         stream = next) {
        next = stream->next;
        if (!stream->ending)
            finish(stream);
    }
}

/* ---- The beginning ---- */

/* Whether the client has read up to an event from which we can go on. */
static bool can_resume(struct request *request, struct slice id,
                       uint64_t *ret_read)
{
    char run[18], text[40];
    char *end = NULL;
    snprintf(run, sizeof run, "%016" PRIx64 "-", request->server->id_seed);
    if (id.length <= 17 || id.length >= sizeof text ||
        memcmp(id.data, run, 17) != 0 || id.data[17] < '0' || id.data[17] > '9')
        return false;
    memcpy(text, id.data + 17, id.length - 17);
    text[id.length - 17] = '\0';
    uint64_t read = strtoull(text, &end, 10);
    if (*end != '\0' ||
        !event_ring_reaches(&request->server->events.ring, read))
        return false;
    *ret_read = read;
    return true;
}

static void write_beginning(struct event_stream *stream)
{
    struct request *request = stream->request;
    struct backend_status status = {0};
    struct slice id;
    const char *name = "open";
    encoder_print(&request->answer, "retry: %d\n\n", RETRY_MS);
    stream->read = events_of(stream)->ring.last;
    if (request_find_header(request, "last-event-id", &id)) {
        if (can_resume(request, id, &stream->read))
            return;
        name = "reset";
    }
    request->server->backend.status(request->server->backend.context, &status);
    write_id(stream, stream->read);
    encoder_print(&request->answer,
                  "event: %s\ndata: {\"node\":%" PRIu32 "}\n\n", name,
                  status.node_id);
}

static void read_filters(struct request *request, uint32_t *ret_types,
                         struct slice *ret_topic, struct problem *problem)
{
    struct slice types;
    *ret_types = (1u << EVENT_TYPES) - 1;
    *ret_topic = slice_of(NULL, 0);
    if (query_string_get(&request->query, "topic", ret_topic)) {
        if (topic_name_is_valid(*ret_topic))
            identity_check_topic(request, *ret_topic, problem);
        else
            problem_parameter(problem, "topic", PROBLEM_INVALID);
    }
    if (query_string_get(&request->query, "types", &types) &&
        !event_types_read(types, ret_types))
        problem_parameter(problem, "types",
                          "is not a list of topic, publisher, circuit, dead, "
                          "leader, stats, with commas between them");
}

static void begin(struct request *request, uint32_t types, struct slice topic)
{
    struct events *events = &request->server->events;
    struct event_stream *stream = arena_take(&request->arena, sizeof *stream);
    *stream = (struct event_stream){
        .generator = {.proceed = on_proceed},
        .request = request,
        .next = events->streams,
        .link = &events->streams,
        .types = types,
        .topic = topic,
        .vetted_ms = uv_now(request->server->loop),
    };
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    events->streams = stream;
    events->stream_count++;
    request->stream = stream;
    request_header(request, "cache-control", slice_text("no-store"));
    /* nginx would gather the answer. */
    request_header(request, "x-accel-buffering", slice_text("no"));
    request_set_head(request, 200, EVENT_STREAM_TYPE);
    write_beginning(stream);
    h2o_start_response(request->h2o, &stream->generator);
    send_part(stream, H2O_SEND_STATE_IN_PROGRESS);
}

void events_get(struct request *request)
{
    struct problem problem = {0};
    uint32_t types;
    struct slice topic;
    read_filters(request, &types, &topic, &problem);
    if (problem.status == 0 &&
        request->server->events.stream_count >= BOUND_EVENT_STREAMS)
        problem_from_code(&problem, ERR_UNAVAILABLE, NULL,
                          "So many clients follow the events of this node "
                          "already: ask another one.");
    if (request_failed(request, &problem))
        return;
    if (request->head)
        request_send(request, 200, EVENT_STREAM_TYPE);
    else
        begin(request, types, topic);
}
