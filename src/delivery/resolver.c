/* resolver.c - a look-up and those who wait for it.
 *
 *   resolver_wait() --> QUEUED --a place is free--> ASKED --answer--> ENDED
 *                         |                           ^ |               |
 *                         `--place is free at once----' |       waits are told,
 *                                                       |       all is freed
 *                      the servers are others: asked anew
 *
 * c-ares may answer within the call that asks: so an end is only noted, and
 * told from the timer. Whose patience is over is told and leaves; the look-up
 * goes on for whoever comes next, until c-ares gives up. */
#include "resolver.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/table.h"

#include <ares.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    ASK_MS = 2000, /* For the first answer; doubled with each round. */
    ASK_ROUNDS = 3,
    /* Patience with servers when there are old addresses to go on with. */
    STALE_MS = 1000,
    LOOK_MS = 1000, /* How often it is seen whether the servers changed. */
};

enum lookup_state { LOOKUP_QUEUED, LOOKUP_ASKED, LOOKUP_ENDED };

struct lookup {
    struct resolver *resolver;
    struct name *name; /* Busy. */
    enum lookup_state state;
    const char *words; /* ENDED: why there is no address. */
    struct resolver_wait *waits;
    struct resolver_wait **last;
    struct lookup *next; /* QUEUED or ENDED: in that list. */
};

struct lookup_line {
    struct lookup *first;
    struct lookup **last;
};

/* A socket of c-ares. */
struct watch {
    uv_poll_t poll;
    struct resolver *resolver;
    ares_socket_t socket;
};

struct resolver {
    uv_loop_t *loop;
    uv_timer_t timer;
    ares_channel channel;
    bool has_channel;
    struct timespec servers_changed; /* Of the file that names them. */
    ino_t servers_file;
    uint64_t looked_ms;
    struct names names;
    struct agenda agenda; /* Of those who wait. */
    struct lookup_line queued;
    struct lookup_line ended;
    uint32_t asked;
    struct table watches;
    uint32_t open_handles; /* The timer, and polls. */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

#define WAIT_OF(item)                                                          \
    ((struct resolver_wait *)((char *)(item)-offsetof(struct resolver_wait,    \
                                                      agenda)))

static void arm(struct resolver *resolver);

static void line_init(struct lookup_line *line)
{
    line->first = NULL;
    line->last = &line->first;
}

static void line_push(struct lookup_line *line, struct lookup *lookup)
{
    lookup->next = NULL;
    *line->last = lookup;
    line->last = &lookup->next;
}

static struct lookup *line_pop(struct lookup_line *line)
{
    struct lookup *lookup = line->first;
    if (lookup != NULL) {
        line->first = lookup->next;
        if (line->first == NULL)
            line->last = &line->first;
    }
    return lookup;
}

/* ---- Sockets ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct resolver *resolver = handle->data;
    if (handle != (uv_handle_t *)&resolver->timer)
        free(handle); /* The poll is first in its watch. */
    if (--resolver->open_handles > 0)
        return;
    void (*closed)(void *) = resolver->closed;
    void *context = resolver->closed_context;
    free(resolver);
    closed(context);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = (struct watch *)poll;
    struct resolver *resolver = watch->resolver;
    bool broken = status < 0;
    bool in = broken || (events & UV_READABLE) != 0;
    bool out = broken || (events & UV_WRITABLE) != 0;
    ares_process_fd(resolver->channel, in ? watch->socket : ARES_SOCKET_BAD,
                    out ? watch->socket : ARES_SOCKET_BAD);
    arm(resolver);
}

static void watch_socket(void *context, ares_socket_t socket, int in, int out)
{
    struct resolver *resolver = context;
    struct watch *watch = table_get(&resolver->watches, (uint32_t)socket);
    if (in == 0 && out == 0) {
        if (watch == NULL)
            return;
        table_set(&resolver->watches, (uint32_t)socket, NULL);
        uv_poll_stop(&watch->poll);
        uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
        return;
    }
    if (watch == NULL) {
        watch = memory_new_zeroed(1, sizeof *watch);
        if (uv_poll_init_socket(resolver->loop, &watch->poll, socket) != 0) {
            free(watch); /* Its time will be over. */
            return;
        }
        watch->poll.data = resolver;
        watch->resolver = resolver;
        watch->socket = socket;
        resolver->open_handles++;
        table_set(&resolver->watches, (uint32_t)socket, watch);
    }
    uv_poll_start(&watch->poll,
                  (in != 0 ? UV_READABLE : 0) | (out != 0 ? UV_WRITABLE : 0),
                  on_readable);
}

/* ---- Servers ---- */

static bool open_channel(struct resolver *resolver)
{
    struct ares_options options = {.timeout = ASK_MS,
                                   .tries = ASK_ROUNDS,
                                   .sock_state_cb = watch_socket,
                                   .sock_state_cb_data = resolver};
    resolver->has_channel =
        ares_init_options(&resolver->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                              ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS;
    return resolver->has_channel;
}

static void close_channel(struct resolver *resolver)
{
    if (resolver->has_channel)
        ares_destroy(resolver->channel);
    resolver->has_channel = false;
}

static bool servers_are_others(struct resolver *resolver)
{
    struct stat now = {.st_ino = 0};
    uint64_t now_ms = clock_ms();
    if (resolver->looked_ms != 0 && now_ms - resolver->looked_ms < LOOK_MS)
        return false;
    resolver->looked_ms = now_ms;
    (void)stat("/etc/resolv.conf", &now); /* None: that is a state as well. */
    bool same = now.st_ino == resolver->servers_file &&
                now.st_mtim.tv_sec == resolver->servers_changed.tv_sec &&
                now.st_mtim.tv_nsec == resolver->servers_changed.tv_nsec;
    resolver->servers_file = now.st_ino;
    resolver->servers_changed = now.st_mtim;
    return !same;
}

/* What is asked of the old servers ends, and is asked of the new ones. */
static bool channel_is_ready(struct resolver *resolver)
{
    if (servers_are_others(resolver))
        close_channel(resolver);
    return resolver->has_channel || open_channel(resolver);
}

/* ---- Look-ups ---- */

static uint64_t take_addresses(const struct ares_addrinfo *found,
                               struct name_addresses *addresses)
{
    uint64_t ttl_ms = NAME_FRESH_MS_MAX;
    for (const struct ares_addrinfo_node *node = found->nodes;
         node != NULL && addresses->count < NAME_ADDRESSES;
         node = node->ai_next) {
        union name_address *address = &addresses->at[addresses->count];
        if (node->ai_addrlen > sizeof *address ||
            (node->ai_family != AF_INET && node->ai_family != AF_INET6))
            continue;
        memcpy(address, node->ai_addr, node->ai_addrlen);
        addresses->count++;
        uint64_t node_ms =
            node->ai_ttl < 0 ? 0 : (uint64_t)node->ai_ttl * 1000u;
        ttl_ms = node_ms < ttl_ms ? node_ms : ttl_ms;
    }
    return ttl_ms;
}

/* Whether what came is an answer to the question, be it "no". */
static bool is_answer(int status)
{
    return status == ARES_SUCCESS || status == ARES_ENOTFOUND ||
           status == ARES_ENODATA || status == ARES_EBADNAME;
}

static void on_found(void *argument, int status, int timeouts,
                     struct ares_addrinfo *found)
{
    struct lookup *lookup = argument;
    struct resolver *resolver = lookup->resolver;
    struct name_addresses addresses = {.count = 0};
    uint64_t ttl_ms = 0;
    (void)timeouts;
    resolver->asked--;
    if (status == ARES_EDESTRUCTION && !resolver->closing) {
        lookup->state = LOOKUP_QUEUED;
        line_push(&resolver->queued, lookup);
        return;
    }
    if (status == ARES_SUCCESS)
        ttl_ms = take_addresses(found, &addresses);
    if (is_answer(status))
        name_answered(lookup->name, &addresses, ttl_ms, clock_ms());
    else
        name_unanswered(lookup->name, clock_ms());
    lookup->words =
        status == ARES_SUCCESS ? "it has no address" : ares_strerror(status);
    if (found != NULL)
        ares_freeaddrinfo(found);
    lookup->state = LOOKUP_ENDED;
    line_push(&resolver->ended, lookup);
}

static void lookup_free(struct lookup *lookup)
{
    if (lookup->name->lookup == lookup)
        lookup->name->lookup = NULL;
    lookup->name->busy--;
    free(lookup);
}

static void ask(struct lookup *lookup)
{
    struct resolver *resolver = lookup->resolver;
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                              .ai_socktype = SOCK_STREAM};
    lookup->state = LOOKUP_ASKED;
    resolver->asked++;
    if (!channel_is_ready(resolver))
        on_found(lookup, ARES_ENOTINITIALIZED, 0, NULL);
    else
        ares_getaddrinfo(resolver->channel, lookup->name->host, NULL, &hints,
                         on_found, lookup);
}

static void ask_queued(struct resolver *resolver)
{
    /* One that is put back by a change of servers waits for the next turn. */
    struct lookup *next = resolver->queued.first;
    line_init(&resolver->queued);
    while (next != NULL) {
        struct lookup *lookup = next;
        next = lookup->next;
        if (lookup->waits == NULL)
            lookup_free(lookup); /* Whoever wanted it is gone. */
        else if (resolver->asked < BOUND_LOOKUPS)
            ask(lookup);
        else
            line_push(&resolver->queued, lookup);
    }
}

static struct lookup *lookup_of(struct resolver *resolver, const char *host)
{
    struct name *name = names_want(&resolver->names, host);
    if (name == NULL)
        return NULL;
    if (name->lookup != NULL)
        return name->lookup;
    struct lookup *lookup = memory_new_zeroed(1, sizeof *lookup);
    lookup->resolver = resolver;
    lookup->name = name;
    lookup->last = &lookup->waits;
    name->lookup = lookup;
    name->busy++;
    line_push(&resolver->queued, lookup);
    return lookup;
}

/* ---- Those who wait ---- */

static void leave(struct resolver *resolver, struct resolver_wait *wait)
{
    struct lookup *lookup = wait->lookup;
    *wait->link = wait->next;
    if (wait->next != NULL)
        wait->next->link = wait->link;
    else
        lookup->last = wait->link;
    wait->lookup = NULL;
    agenda_set(&resolver->agenda, &wait->agenda, 0);
}

static void tell_ended(struct resolver *resolver)
{
    struct lookup *lookup;
    while ((lookup = line_pop(&resolver->ended)) != NULL) {
        struct name_addresses addresses = lookup->name->addresses;
        lookup->name->lookup = NULL; /* Who asks from now on asks anew. */
        while (lookup->waits != NULL) {
            struct resolver_wait *wait = lookup->waits;
            leave(resolver, wait);
            wait->done(wait, addresses.count > 0 ? &addresses : NULL,
                       lookup->words);
        }
        lookup_free(lookup);
    }
}

static void tell_impatient(struct resolver *resolver)
{
    struct agenda_item *item;
    while ((item = agenda_take(&resolver->agenda, clock_ms())) != NULL) {
        struct resolver_wait *wait = WAIT_OF(item);
        struct name *name = wait->lookup->name;
        struct name_addresses addresses = {.count = 0};
        if (name_is_stale(name, clock_ms())) {
            name_unanswered(name, clock_ms());
            addresses = name->addresses;
        }
        leave(resolver, wait);
        wait->done(wait, addresses.count > 0 ? &addresses : NULL,
                   "no name server answered in time");
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;
    if (resolver->has_channel)
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    ask_queued(resolver);
    tell_ended(resolver);
    tell_impatient(resolver);
    arm(resolver);
}

/* To the next time at which something is to be done; at once, when look-ups
 * have ended or may be begun. */
static void arm(struct resolver *resolver)
{
    struct timeval left;
    uint64_t wait_ms = UINT64_MAX;
    uint64_t first_ms = agenda_first_ms(&resolver->agenda);
    uint64_t now_ms = clock_ms();
    if (resolver->closing)
        return;
    if (resolver->has_channel && resolver->asked > 0 &&
        ares_timeout(resolver->channel, NULL, &left) != NULL)
        wait_ms =
            (uint64_t)left.tv_sec * 1000u + (uint64_t)left.tv_usec / 1000u + 1;
    if (first_ms != 0) {
        uint64_t patience_ms = first_ms > now_ms ? first_ms - now_ms : 0;
        wait_ms = patience_ms < wait_ms ? patience_ms : wait_ms;
    }
    if (resolver->ended.first != NULL ||
        (resolver->queued.first != NULL && resolver->asked < BOUND_LOOKUPS))
        wait_ms = 0;
    if (wait_ms == UINT64_MAX)
        uv_timer_stop(&resolver->timer);
    else
        uv_timer_start(&resolver->timer, on_timer, wait_ms, 0);
}

const struct name_addresses *resolver_known(struct resolver *resolver,
                                            const char *host)
{
    struct name *name = names_want(&resolver->names, host);
    return name != NULL && name_is_known(name, clock_ms()) ? &name->addresses
                                                           : NULL;
}

bool resolver_wait(struct resolver *resolver, const char *host,
                   uint64_t patience_ms, resolver_done done,
                   struct resolver_wait *wait)
{
    struct lookup *lookup = lookup_of(resolver, host);
    assert(wait->lookup == NULL);
    if (lookup == NULL)
        return false;
    if (name_is_stale(lookup->name, clock_ms()) && patience_ms > STALE_MS)
        patience_ms = STALE_MS;
    wait->done = done;
    wait->lookup = lookup;
    wait->next = NULL;
    wait->link = lookup->last;
    *lookup->last = wait;
    lookup->last = &wait->next;
    agenda_set(&resolver->agenda, &wait->agenda, clock_ms() + patience_ms + 1);
    arm(resolver);
    return true;
}

void resolver_cancel(struct resolver *resolver, struct resolver_wait *wait)
{
    if (wait->lookup != NULL)
        leave(resolver, wait);
}

/* ---- Life ---- */

struct resolver *resolver_new(uv_loop_t *loop)
{
    struct resolver *resolver = memory_new_zeroed(1, sizeof *resolver);
    ares_library_init(ARES_LIB_INIT_ALL);
    resolver->loop = loop;
    names_init(&resolver->names, BOUND_NAMES);
    line_init(&resolver->queued);
    line_init(&resolver->ended);
    uv_timer_init(loop, &resolver->timer);
    resolver->timer.data = resolver;
    resolver->open_handles = 1;
    return resolver;
}

void resolver_close(struct resolver *resolver, void (*closed)(void *context),
                    void *context)
{
    struct lookup *lookup;
    resolver->closing = true;
    resolver->closed = closed;
    resolver->closed_context = context;
    close_channel(resolver); /* Ends what is asked. */
    while ((lookup = line_pop(&resolver->queued)) != NULL)
        lookup_free(lookup);
    while ((lookup = line_pop(&resolver->ended)) != NULL)
        lookup_free(lookup);
    names_close(&resolver->names);
    agenda_close(&resolver->agenda);
    table_close(&resolver->watches);
    ares_library_cleanup();
    uv_close((uv_handle_t *)&resolver->timer, on_handle_closed);
}
