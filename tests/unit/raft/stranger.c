#include "stranger.h"

#include "station.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct sockaddr_in on_loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

int stranger_dial(uint16_t port)
{
    struct sockaddr_in address = on_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address),
                     0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

int stranger_listen(uint16_t *ret_port)
{
    struct sockaddr_in address = on_loopback(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

void stranger_send(int fd, const void *bytes, size_t length)
{
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    assert_true(sent == (ssize_t)length || sent < 0);
}

size_t stranger_read(int fd, size_t length)
{
    static char bytes[65536];
    size_t sum = 0;
    while (sum < length) {
        size_t most = length - sum < sizeof bytes ? length - sum : sizeof bytes;
        ssize_t got = read(fd, bytes, most);
        if (got <= 0)
            break;
        sum += (size_t)got;
    }
    return sum;
}

bool stranger_is_cut(void *context)
{
    const int *fd = context;
    char bytes[4096];
    ssize_t got;
    do
        got = recv(*fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (got > 0);
    return got == 0 || (errno != EAGAIN && errno != EINTR);
}

void stranger_run_until_cut(uv_loop_t *loop, int fd)
{
    station_run_until(loop, stranger_is_cut, &fd);
}

/* --- The handshake ------------------------------------------------------ */

struct shaking {
    int fd;
    struct handshake handshake;
};

static bool has_come(void *context)
{
    struct shaking *shaking = context;
    int fd = accept(shaking->fd, NULL, NULL);
    if (fd < 0)
        return false;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    shaking->fd = fd;
    return true;
}

static bool has_shaken(void *context)
{
    struct shaking *shaking = context;
    struct error error = {0};
    uint8_t bytes[HANDSHAKE_PROOF];
    struct slice output = handshake_output(&shaking->handshake);
    if (output.length > 0)
        stranger_send(shaking->fd, output.data, output.length);
    if (handshake_done(&shaking->handshake))
        return true;
    ssize_t got = read(shaking->fd, bytes, sizeof bytes);
    size_t used = 0;
    if (got > 0) {
        assert_int_equal(handshake_receive(&shaking->handshake,
                                           slice_of(bytes, (size_t)got), &used,
                                           &error),
                         0);
        assert_int_equal(used, got);
    }
    return false;
}

int stranger_shake(uv_loop_t *loop, int fd,
                   const struct handshake_options *options)
{
    struct shaking shaking = {.fd = fd};
    struct error error = {0};
    assert_int_equal(handshake_init(&shaking.handshake, options, &error), 0);
    if (options->role == HANDSHAKE_LISTENER)
        station_run_until(loop, has_come, &shaking);
    station_run_until(loop, has_shaken, &shaking);
    return shaking.fd;
}
