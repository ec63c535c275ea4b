/* receiver.c - an HTTP receiver that is faster than what it measures.
 *
 *     receiver PORT [latency]
 *
 * Answers 200 to every request on 127.0.0.1:PORT over kept-alive connections
 * and counts them; on SIGTERM it prints the count and ends. With `latency` a
 * body is the time at which its message was sent, in nanoseconds of
 * CLOCK_MONOTONIC, and behind the count stand median and 99th percentile of
 * what it took until here, in microseconds. It understands
 * what Postoffice sends, Content-Length bodies, and nothing else: a request
 * that it cannot read closes its connection. One thread, level-triggered
 * epoll, one write per answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_BYTES_MAX = 16384, EVENTS_MAX = 256 };

struct connection {
    int fd;
    size_t body_left; /* Bytes of the present body still to come. */
    size_t used;
    char header[HEADER_BYTES_MAX];
};

/* How long messages took, when that is asked for. */
static struct {
    bool wanted;
    size_t count;
    long us[1 << 20];
} latencies;

static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
static unsigned long requests;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void drop(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

/* Content-Length of a header that ends with an empty line; 0 when absent. */
static size_t body_length(const char *header, const char *end)
{
    static const char name[] = "\r\ncontent-length:";
    const size_t length = sizeof(name) - 1;

    for (const char *at = header; at + length < end; at++)
        if (strncasecmp(at, name, length) == 0)
            return strtoul(at + length, NULL, 10);
    return 0;
}

static void note_latency(const char *body)
{
    struct timespec now;
    const long long sent = strtoll(body, NULL, 10);

    if (latencies.count == sizeof(latencies.us) / sizeof(*latencies.us))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    latencies.us[latencies.count++] =
        (long)((now.tv_sec * 1000000000LL + now.tv_nsec - sent) / 1000);
}

static int compare(const void *left, const void *right)
{
    const long a = *(const long *)left, b = *(const long *)right;

    return (a > b) - (a < b);
}

static void print_figures(void)
{
    printf("%lu", requests);
    if (latencies.count > 0) {
        qsort(latencies.us, latencies.count, sizeof(*latencies.us), compare);
        printf(" %ld %ld", latencies.us[latencies.count / 2],
               latencies.us[latencies.count * 99 / 100]);
    }
    printf("\n");
}

/* Takes whole requests off the front of what was read. Returns how many were
 * completed, or -1 when the header is beyond reading. */
static int take_requests(struct connection *connection)
{
    int completed = 0;
    size_t taken = 0;

    for (;;) {
        const size_t left = connection->used - taken;
        if (connection->body_left > left) {
            connection->body_left -= left;
            taken = connection->used;
            break;
        }
        if (connection->body_left > 0) {
            if (latencies.wanted) /* Short bodies: all of it is here. */
                note_latency(connection->header + taken);
            taken += connection->body_left;
            connection->body_left = 0;
            completed++;
            continue;
        }
        const char *header = connection->header + taken;
        const char *end = memmem(header, left, "\r\n\r\n", 4);
        if (end == NULL)
            break;
        connection->body_left = body_length(header, end + 2);
        taken = (size_t)(end + 4 - connection->header);
        if (connection->body_left == 0)
            completed++;
    }
    connection->used -= taken;
    memmove(connection->header, connection->header + taken, connection->used);
    return connection->used == HEADER_BYTES_MAX ? -1 : completed;
}

/* False when the connection has ended. */
static bool serve(struct connection *connection)
{
    const ssize_t got =
        read(connection->fd, connection->header + connection->used,
             HEADER_BYTES_MAX - connection->used);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    connection->used += (size_t)got;
    const int completed = take_requests(connection);
    if (completed < 0)
        return false;
    for (int i = 0; i < completed; i++)
        if (write(connection->fd, answer, sizeof(answer) - 1) < 0)
            return false;
    requests += (unsigned long)completed;
    return true;
}

static int listen_on(int port)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
        die("socket");
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        die("bind");
    if (listen(fd, 1024) != 0)
        die("listen");
    return fd;
}

static void watch(int epoll, int fd, void *pointer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void accept_one(int epoll, int listener)
{
    const int on = 1;
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *connection;

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        die("calloc");
    connection->fd = fd;
    watch(epoll, fd, connection);
}

/* SIGTERM as a descriptor, so that the count is printed between events. */
static int end_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];
    char mark_listener, mark_end; /* Addresses that name the two. */

    latencies.wanted = argc == 3 && strcmp(argv[2], "latency") == 0;
    if (argc != 2 && !latencies.wanted) {
        fprintf(stderr, "usage: receiver PORT [latency]\n");
        return 2;
    }
    const int listener = listen_on((int)strtol(argv[1], NULL, 10));
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    watch(epoll, listener, &mark_listener);
    watch(epoll, end_signal(), &mark_end);
    for (;;) {
        const int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &mark_end) {
                print_figures();
                return 0;
            }
            if (events[i].data.ptr == &mark_listener)
                accept_one(epoll, listener);
            else if (!serve(events[i].data.ptr))
                drop(events[i].data.ptr);
        }
    }
}
