#include "http/park.h"

#include "http/server_inside.h"

#include "base/clock.h"

#include <stdlib.h>

enum { TRY_AGAIN_MS = 10 };

static struct http_server *server_of(struct park *park)
{
    return (struct http_server *)((char *)park -
                                  offsetof(struct http_server, park));
}

void park_init(struct park *park, uv_loop_t *loop, uint32_t wait_ms)
{
    *park = (struct park){.wait_ms = wait_ms};
    uv_timer_init(loop, &park->timer);
    park->timer.data = park;
}

void park_close(struct park *park)
{
    free(park->tickets);
    park->tickets = NULL;
    park->count = 0;
    uv_close((uv_handle_t *)&park->timer, NULL);
}

/* All at once: those that must go on waiting come back to the list. */
static void on_timer(uv_timer_t *timer)
{
    struct park *park = timer->data;
    struct http_server *server = server_of(park);
    uint64_t *tickets = park->tickets;
    uint32_t count = park->count;
    park->tickets = NULL;
    park->count = 0;
    park->capacity = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct request *request = ticket_holder(&server->tickets, tickets[i]);
        if (request == NULL)
            continue; /* Its client has gone. */
        ticket_void(&server->tickets, request->ticket);
        request->ticket = 0;
        dispatch_again(request);
    }
    free(tickets);
}

bool park_request(struct request *request)
{
    struct http_server *server = request->server;
    struct park *park = &server->park;
    uint64_t waited_ms = (clock_us() - request->started_us) / 1000;
    if (request->forwarded != NULL || !request_needs_leader(request) ||
        waited_ms >= park->wait_ms || server->state == SERVER_FINISHING)
        return false;
    if (park->count == park->capacity) {
        park->capacity = park->capacity == 0 ? 64 : park->capacity * 2;
        park->tickets =
            memory_resize(park->tickets, park->capacity * sizeof(uint64_t));
    }
    park->tickets[park->count++] = request_wait(request, NULL);
    if (!uv_is_active((uv_handle_t *)&park->timer))
        uv_timer_start(&park->timer, on_timer, TRY_AGAIN_MS, 0);
    return true;
}
