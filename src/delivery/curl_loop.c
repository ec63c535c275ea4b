#include "curl_loop.h"

#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

/* One socket that libcurl wants watched. A connection's is ours from its
 * opening to its closing: libcurl lets go of it after each answer and asks for
 * it again with the next request, but the poll stays as it is, so that this
 * costs no system call. Others (its resolver's) are watched as long as it
 * says. */
struct watch {
    uv_poll_t poll;
    struct curl_loop *loop;
    struct watch *next; /* In the list of all. */
    struct watch **link;
    curl_socket_t socket;
    bool kept;  /* A connection's. */
    int polled; /* What the poll watches for; 0: stopped. */
    int wanted; /* What libcurl wants now. */
};

struct curl_loop {
    uv_loop_t *uv;
    CURLM *multi;
    uv_timer_t timer;
    uv_check_t check; /* Finished transfers are looked at once a turn. */
    bool dirty;
    struct table by_socket; /* Watches by descriptor. */
    struct watch *watches;
    uint32_t watch_count; /* Not freed yet. */
    void (*finished)(void *context, CURL *easy, CURLcode code);
    void *context;
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

static void maybe_free(struct curl_loop *loop);

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct curl_loop *loop = watch->loop;
    free(watch);
    loop->watch_count--;
    maybe_free(loop);
}

static void act(struct curl_loop *loop, curl_socket_t socket, int events)
{
    int running;
    CURLMcode rc =
        curl_multi_socket_action(loop->multi, socket, events, &running);
    assert(rc == CURLM_OK);
    (void)rc;
    loop->dirty = true;
}

static void on_socket(uv_poll_t *poll, int status, int events);

static int set_poll(struct watch *watch, int events)
{
    watch->polled = events;
    if (events == 0)
        return uv_poll_stop(&watch->poll);
    return uv_poll_start(&watch->poll, events, on_socket);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    if ((watch->wanted & events) == 0 && status == 0) {
        /* A connection at rest was closed by its server, say: libcurl finds
         * that out when it wants to use it. */
        set_poll(watch, watch->wanted);
        return;
    }
    int flags = 0;
    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(watch->loop, watch->socket, flags);
}

static struct watch *watch_new(struct curl_loop *loop, curl_socket_t socket,
                               bool kept)
{
    struct watch *watch = memory_new_zeroed(1, sizeof *watch);
    watch->loop = loop;
    watch->socket = socket;
    watch->kept = kept;
    if (uv_poll_init_socket(loop->uv, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->next = loop->watches;
    watch->link = &loop->watches;
    if (watch->next != NULL)
        watch->next->link = &watch->next;
    loop->watches = watch;
    loop->watch_count++;
    table_set(&loop->by_socket, (uint32_t)socket, watch);
    return watch;
}

static void watch_close(struct watch *watch)
{
    *watch->link = watch->next;
    if (watch->next != NULL)
        watch->next->link = watch->link;
    table_set(&watch->loop->by_socket, (uint32_t)watch->socket, NULL);
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* libcurl forgets the watch when it lets go of a socket; ours are found again
 * by their descriptor. */
static struct watch *watch_of(struct curl_loop *loop, curl_socket_t socket)
{
    return socket >= 0 ? table_get(&loop->by_socket, (uint32_t)socket) : NULL;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what,
                        void *argument, void *known)
{
    (void)easy;
    (void)known;
    struct curl_loop *loop = argument;
    struct watch *watch = watch_of(loop, socket);
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL && watch->kept)
            watch->wanted = 0;
        else if (watch != NULL)
            watch_close(watch);
        return 0;
    }
    if (watch == NULL) {
        watch = watch_new(loop, socket, false);
        if (watch == NULL)
            return -1;
    }
    watch->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        watch->wanted |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        watch->wanted |= UV_WRITABLE;
    if (watch->wanted == watch->polled)
        return 0;
    return set_poll(watch, watch->wanted) == 0 ? 0 : -1;
}

/* libcurl is done with a socket: the poll must go before its descriptor. */
static int close_socket(void *argument, curl_socket_t socket)
{
    struct curl_loop *loop = argument;
    struct watch *watch = watch_of(loop, socket);
    if (watch != NULL)
        watch_close(watch);
    return close(socket);
}

static curl_socket_t open_socket(void *argument, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct curl_door *door = argument;
    struct curl_loop *loop = door->loop;
    (void)purpose;
    if (!door->allows(door, &address->addr))
        return CURL_SOCKET_BAD;
    curl_socket_t made = socket(
        address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (made < 0)
        return CURL_SOCKET_BAD;
    if (watch_new(loop, made, true) == NULL) {
        close(made);
        return CURL_SOCKET_BAD;
    }
    return made;
}

static void collect(struct curl_loop *loop)
{
    while (loop->dirty) {
        loop->dirty = false;
        CURLMsg *message;
        int left;
        while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
            if (message->msg == CURLMSG_DONE)
                loop->finished(loop->context, message->easy_handle,
                               message->data.result);
        }
    }
}

/* What ended just now would otherwise wait for the loop's next event: timers
 * come before it sleeps, the check after. */
static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
    collect(timer->data);
}

static int set_timer(CURLM *multi, long timeout_ms, void *argument)
{
    (void)multi;
    struct curl_loop *loop = argument;
    if (loop->closing)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&loop->timer);
    else
        uv_timer_start(&loop->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_check(uv_check_t *check)
{
    collect(check->data);
}

void curl_loop_prepare(struct curl_loop *loop, CURL *easy,
                       struct curl_door *door)
{
    door->loop = loop;
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, door);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, loop);
}

void curl_loop_add(struct curl_loop *loop, CURL *easy)
{
    CURLMcode rc = curl_multi_add_handle(loop->multi, easy);
    assert(rc == CURLM_OK);
    (void)rc;
}

void curl_loop_remove(struct curl_loop *loop, CURL *easy)
{
    curl_multi_remove_handle(loop->multi, easy);
}

struct curl_loop *curl_loop_new(uv_loop_t *uv, long connections_max,
                                void (*finished)(void *context, CURL *easy,
                                                 CURLcode code),
                                void *context)
{
    struct curl_loop *loop = memory_new_zeroed(1, sizeof *loop);
    loop->uv = uv;
    loop->finished = finished;
    loop->context = context;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    loop->multi = curl_multi_init();
    assert(loop->multi != NULL);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, connections_max);
    uv_timer_init(uv, &loop->timer);
    loop->timer.data = loop;
    uv_check_init(uv, &loop->check);
    loop->check.data = loop;
    uv_check_start(&loop->check, on_check);
    return loop;
}

/* Handles that are still open: the timer, the check and the watches. */
static void maybe_free(struct curl_loop *loop)
{
    if (!loop->closing || loop->watch_count > 0 || loop->timer.data != NULL ||
        loop->check.data != NULL)
        return;
    void (*closed)(void *) = loop->closed;
    void *context = loop->closed_context;
    free(loop);
    curl_global_cleanup();
    closed(context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct curl_loop *loop = handle->data;
    handle->data = NULL;
    maybe_free(loop);
}

void curl_loop_close(struct curl_loop *loop, void (*closed)(void *context),
                     void *context)
{
    loop->closing = true;
    loop->closed = closed;
    loop->closed_context = context;
    curl_multi_cleanup(loop->multi); /* Closes what was kept alive. */
    while (loop->watches != NULL)
        watch_close(loop->watches);
    table_close(&loop->by_socket);
    uv_close((uv_handle_t *)&loop->timer, on_handle_closed);
    uv_close((uv_handle_t *)&loop->check, on_handle_closed);
}
