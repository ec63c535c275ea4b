#include "gateway.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

enum gateway_kind { GATEWAY_API = 1, GATEWAY_REPORT = 2 };

enum {
    /* Longer than a client waits; the leader answers or its lane breaks. */
    FORWARD_TIMEOUT_MS = 60000,
    REPORT_TIMEOUT_MS = 2000,
};

struct gateway {
    struct cluster *cluster;  /* NULL: detached. */
    struct http_server *http; /* As the cluster. */
    uint32_t node_id;
    uv_timer_t timer;
    gateway_report report;
    void *report_context;
    struct peers peers;
    struct waiting *refused; /* For the next turn. */
    uv_async_t async;
    unsigned handles; /* Not yet closed. */
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- Requests that go out ---- */

struct waiting {
    struct gateway *gateway;
    uint64_t ticket;
    int code;
    struct waiting *next;
};

static void give_result(struct waiting *waiting, struct slice answer)
{
    struct backend_result result = {
        .ticket = waiting->ticket, .code = waiting->code, .forwarded = answer};
    if (waiting->gateway->http != NULL)
        http_server_done(waiting->gateway->http, &result);
    free(waiting);
}

static void on_answer(void *context, int rc,
                      const struct cluster_answer *answer)
{
    struct waiting *waiting = context;
    waiting->code = rc;
    give_result(waiting, rc == 0 ? answer->body : slice_of(NULL, 0));
}

static void on_async(uv_async_t *async)
{
    struct gateway *gateway = async->data;
    struct waiting *waiting = gateway->refused;
    gateway->refused = NULL;
    while (waiting != NULL) {
        struct waiting *next = waiting->next;
        give_result(waiting, slice_of(NULL, 0));
        waiting = next;
    }
}

static struct buffer *make_body(enum gateway_kind kind, struct slice bytes)
{
    struct buffer *body = buffer_new(1 + bytes.length);
    if (body == NULL)
        return NULL;
    body->data[0] = (uint8_t)kind;
    if (bytes.length > 0)
        memcpy(body->data + 1, bytes.data, bytes.length);
    body->length = 1 + bytes.length;
    return body;
}

bool gateway_leader_is_elsewhere(const struct gateway *gateway)
{
    if (gateway->cluster == NULL)
        return false;
    struct cluster_status status = cluster_status(gateway->cluster);
    return status.role != CLUSTER_LEADER && status.leader_id != 0 &&
           status.leader_id != gateway->node_id;
}

void gateway_forward(struct gateway *gateway, uint64_t ticket,
                     struct slice request)
{
    struct waiting *waiting = memory_new_zeroed(1, sizeof *waiting);
    waiting->gateway = gateway;
    waiting->ticket = ticket;
    struct buffer *body = make_body(GATEWAY_API, request);
    int rc = body == NULL ? ERR_NO_MEMORY : ERR_UNAVAILABLE;
    if (body != NULL && gateway->cluster != NULL) {
        uint32_t leader = cluster_status(gateway->cluster).leader_id;
        rc = cluster_request(gateway->cluster, leader, body, FORWARD_TIMEOUT_MS,
                             on_answer, waiting);
    }
    buffer_unref(body);
    if (rc == 0)
        return;
    waiting->code = rc;
    waiting->next = gateway->refused;
    gateway->refused = waiting;
    uv_async_send(&gateway->async);
}

/* ---- Requests that come in ---- */

struct serving {
    struct gateway *gateway;
    struct cluster_asker asker;
};

static void on_served(void *context, uint64_t id, struct slice answer)
{
    struct serving *serving = context;
    struct buffer *body = buffer_new(answer.length);
    (void)id;
    if (body != NULL && serving->gateway->cluster != NULL) {
        memcpy(body->data, answer.data, answer.length);
        body->length = answer.length;
        /* An asker that has gone learns an unknown outcome by itself. */
        cluster_answer(serving->gateway->cluster, &serving->asker, body);
    }
    buffer_unref(body);
    free(serving);
}

static void take_report(struct gateway *gateway,
                        const struct cluster_asked *asked, struct slice report)
{
    peers_hear(&gateway->peers, report, clock_ms(), clock_wall_ms());
    struct buffer *body = buffer_new(0);
    if (body != NULL)
        cluster_answer(gateway->cluster, &asked->asker, body);
    buffer_unref(body);
}

void gateway_requested(struct gateway *gateway,
                       const struct cluster_asked *asked)
{
    if (gateway->http == NULL || asked->body.length == 0)
        return; /* The asker's time runs out. */
    struct slice rest = slice_of(asked->body.data + 1, asked->body.length - 1);
    if (asked->body.data[0] == GATEWAY_REPORT) {
        take_report(gateway, asked, rest);
    } else if (asked->body.data[0] == GATEWAY_API) {
        struct serving *serving = memory_new(sizeof *serving);
        *serving = (struct serving){.gateway = gateway, .asker = asked->asker};
        http_server_serve(gateway->http, rest, on_served, serving, 0);
    }
}

/* ---- Reports ---- */

static void on_report_answered(void *context, int rc,
                               const struct cluster_answer *answer)
{
    (void)context;
    (void)rc;
    (void)answer;
}

static void on_timer(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;
    struct cluster_member members[PEERS_MAX];
    if (gateway->cluster == NULL)
        return;
    unsigned count = cluster_members(gateway->cluster, members, PEERS_MAX);
    if (count < 2)
        return;
    struct peer_report report = {.node_id = gateway->node_id,
                                 .wall_ms = clock_wall_ms()};
    struct encoder bytes = {0};
    gateway->report(gateway->report_context, &report);
    peer_report_encode(&bytes, &report);
    struct buffer *body = make_body(GATEWAY_REPORT, encoder_slice(&bytes));
    for (unsigned i = 0; body != NULL && i < count; i++) {
        if (members[i].node_id != gateway->node_id)
            cluster_request(gateway->cluster, members[i].node_id, body,
                            REPORT_TIMEOUT_MS, on_report_answered, NULL);
    }
    buffer_unref(body);
    encoder_close(&bytes);
}

const struct peers *gateway_peers(const struct gateway *gateway)
{
    return &gateway->peers;
}

/* ---- Life ---- */

struct gateway *gateway_new(uv_loop_t *loop, uint32_t node_id,
                            gateway_report report, void *context)
{
    struct gateway *gateway = memory_new_zeroed(1, sizeof *gateway);
    gateway->node_id = node_id;
    gateway->report = report;
    gateway->report_context = context;
    uv_timer_init(loop, &gateway->timer);
    gateway->timer.data = gateway;
    uv_async_init(loop, &gateway->async, on_async);
    gateway->async.data = gateway;
    gateway->handles = 2;
    uv_timer_start(&gateway->timer, on_timer, 0, PEERS_EVERY_MS);
    return gateway;
}

void gateway_attach(struct gateway *gateway, struct cluster *cluster,
                    struct http_server *http)
{
    gateway->cluster = cluster;
    gateway->http = http;
}

void gateway_detach(struct gateway *gateway)
{
    gateway->cluster = NULL;
    gateway->http = NULL;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct gateway *gateway = handle->data;
    if (--gateway->handles > 0)
        return;
    void (*closed)(void *) = gateway->closed;
    void *context = gateway->closed_context;
    while (gateway->refused != NULL) {
        struct waiting *waiting = gateway->refused;
        gateway->refused = waiting->next;
        free(waiting);
    }
    free(gateway);
    closed(context);
}

void gateway_close(struct gateway *gateway, void (*closed)(void *context),
                   void *context)
{
    gateway_detach(gateway);
    gateway->closed = closed;
    gateway->closed_context = context;
    uv_close((uv_handle_t *)&gateway->timer, on_handle_closed);
    uv_close((uv_handle_t *)&gateway->async, on_handle_closed);
}
