#include "connection.h"

#include "system.h"

/* Telemetry that arrives while Python starts waits here, in the kernel. */
enum { LISTEN_BACKLOG = 128 };

static uint16_t network_order(uint16_t number)
{
    return (uint16_t)(number << 8 | number >> 8);
}

deadline deadline_in_ms(int64_t ms)
{
    return clock_ns(LINUX_CLOCK_MONOTONIC) + ms * 1000000;
}

int above_standard_streams(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int above = (int)system_call3(SYS_FCNTL, fd, LINUX_F_DUPFD, 3);
    close_fd(fd);
    return above;
}

static int socket_open(void)
{
    return above_standard_streams((int)system_call3(SYS_SOCKET, LINUX_AF_INET, LINUX_SOCK_STREAM, 0));
}

/* Bounds connect() and send(), which do not wait on this host unless the peer is stuck. 0 is no bound. */
static void set_send_timeout(int fd, int64_t ms)
{
    struct { int64_t seconds, microseconds; } timeout = {ms / 1000, ms % 1000 * 1000};
    system_call(SYS_SETSOCKOPT, fd, LINUX_SOL_SOCKET, LINUX_SO_SNDTIMEO, (long)&timeout, sizeof timeout, 0);
}

static bool connection_open(struct connection *connection, deadline until)
{
    struct linux_sockaddr_in address = {
        .family = LINUX_AF_INET,
        .port = network_order(connection->endpoint.port),
        .address = connection->endpoint.address,
    };
    int64_t left_ms = until == NEVER ? 1000 : (until - clock_ns(LINUX_CLOCK_MONOTONIC)) / 1000000;
    int fd = left_ms > 0 ? socket_open() : -1;
    if (fd < 0)
        return false;
    set_send_timeout(fd, left_ms);
    if (system_call3(SYS_CONNECT, fd, (long)&address, sizeof address) < 0) {
        close_fd(fd);
        return false;
    }
    set_send_timeout(fd, 0); /* the socket outlives this program */
    connection->fd = fd;
    connection->used = false;
    return true;
}

void connection_close(struct connection *connection)
{
    if (connection->fd >= 0)
        close_fd(connection->fd);
    connection->fd = -1;
}

bool connection_send(struct connection *connection, struct text request, deadline until)
{
    if (connection->fd < 0 && !connection_open(connection, until))
        return false;
    while (request.length > 0) {
        long sent = system_call(SYS_SENDTO, connection->fd, (long)request.at, (long)request.length,
                                LINUX_MSG_NOSIGNAL, 0, 0);
        if (sent == -LINUX_EINTR)
            continue;
        if (sent <= 0) {
            connection_close(connection);
            return false;
        }
        request.at += sent;
        request.length -= (size_t)sent;
    }
    return true;
}

/* Waits for something to read: more bytes, the end, or an error. */
static bool wait_readable(int fd, deadline until)
{
    struct linux_pollfd wanted = {fd, LINUX_POLLIN, 0};
    for (;;) {
        int64_t left = until == NEVER ? NEVER : until - clock_ns(LINUX_CLOCK_MONOTONIC);
        struct linux_timespec timeout = {left / 1000000000, left % 1000000000};
        if (left <= 0)
            return false;
        long ready = system_call(SYS_PPOLL, (long)&wanted, 1, until == NEVER ? 0 : (long)&timeout, 0, 0, 0);
        if (ready != -LINUX_EINTR)
            return ready > 0;
    }
}

static enum http_progress receive_whole(struct connection *connection, deadline until, struct http_answer *answer)
{
    size_t length = 0;
    while (length < ANSWER_CAPACITY && wait_readable(connection->fd, until)) {
        long got = system_call(SYS_RECVFROM, connection->fd, (long)(connection->buffer + length),
                               (long)(ANSWER_CAPACITY - length), 0, 0, 0);
        if (got == -LINUX_EINTR)
            continue;
        if (got < 0)
            return HTTP_BAD;
        length += (size_t)got;
        enum http_progress progress = http_read(connection->buffer, length, got == 0, answer);
        if (progress != HTTP_MORE)
            return progress;
    }
    return HTTP_BAD;
}

bool connection_receive(struct connection *connection, deadline until, struct http_answer *answer)
{
    bool done = receive_whole(connection, until, answer) == HTTP_DONE;
    connection->used = true;
    if (!done || !answer->reusable)
        connection_close(connection);
    return done;
}

bool connection_exchange(struct connection *connection, struct text request, deadline until, struct http_answer *answer)
{
    bool kept_open = connection->fd >= 0 && connection->used;
    if (connection_send(connection, request, until) && connection_receive(connection, until, answer))
        return true;
    return kept_open && connection_send(connection, request, until) && connection_receive(connection, until, answer);
}

int listener_open(uint32_t at, uint16_t *port)
{
    struct linux_sockaddr_in address = {.family = LINUX_AF_INET, .port = network_order(*port), .address = at};
    int size = sizeof address, on = 1;
    int fd = socket_open();
    if (fd < 0)
        return fd;
    system_call(SYS_SETSOCKOPT, fd, LINUX_SOL_SOCKET, LINUX_SO_REUSEADDR, (long)&on, sizeof on, 0);
    long failure = system_call3(SYS_BIND, fd, (long)&address, sizeof address);
    if (failure == 0)
        failure = system_call3(SYS_LISTEN, fd, LISTEN_BACKLOG, 0);
    if (failure == 0)
        failure = system_call3(SYS_GETSOCKNAME, fd, (long)&address, (long)&size);
    if (failure < 0) {
        close_fd(fd);
        return (int)failure;
    }
    *port = network_order(address.port);
    return fd;
}
