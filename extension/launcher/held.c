#include "held.h"

#include "bytes.h"
#include "connection.h"
#include "http.h"
#include "system.h"

static const struct text OK = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                               sizeof "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" - 1};

bool held_open(struct held *held)
{
    held->file = above_standard_streams((int)system_call3(SYS_MEMFD_CREATE, (long)"lambdascope", 0, 0));
    return held->file >= 0;
}

static bool write_at(int file, size_t position, struct text bytes)
{
    while (bytes.length > 0) {
        long count = system_call(SYS_PWRITE64, file, (long)bytes.at, (long)bytes.length, (long)position, 0, 0);
        if (count == -LINUX_EINTR)
            continue;
        if (count <= 0)
            return false;
        position += (size_t)count;
        bytes.at += count;
        bytes.length -= (size_t)count;
    }
    return true;
}

/* Adds a record, wholly or not at all. */
static bool append(struct held *held, const struct writer *head, struct text bytes)
{
    if (!write_at(held->file, held->length, written(head))
        || !write_at(held->file, held->length + head->length, bytes)) {
        system_call3(SYS_FTRUNCATE, held->file, (long)held->length, 0);
        return false;
    }
    held->length += head->length + bytes.length;
    return true;
}

static bool keep_delivery(struct held *held, struct text body)
{
    char bytes[40];
    struct writer head = {bytes, sizeof bytes, 0, false};
    write_text(&head, TEXT("delivery "));
    write_decimal(&head, (int64_t)body.length);
    write_text(&head, TEXT("\n"));
    if (held->length + head.length + body.length > HELD_CAPACITY || !append(held, &head, body))
        return false;
    /* A log line that holds these words has its quotes escaped; and to be wrong here is to start Python early. */
    held->function_done = held->function_done || text_contains(body, TEXT("\"platform.runtimeDone\""));
    return true;
}

static void close_peer(struct held_peer *peer)
{
    close_fd(peer->fd);
    peer->open = false;
}

static bool answer(const struct held_peer *peer)
{
    long sent = system_call(SYS_SENDTO, peer->fd, (long)OK.at, (long)OK.length,
                            LINUX_MSG_NOSIGNAL | LINUX_MSG_DONTWAIT, 0, 0);
    return sent == (long)OK.length;
}

enum held_step held_accept(struct held *held, int listener)
{
    for (size_t i = 0; i < HELD_PEERS; i++) {
        struct held_peer *peer = &held->peers[i];
        if (peer->open)
            continue;
        peer->fd = above_standard_streams((int)system_call(SYS_ACCEPT4, listener, 0, 0, 0, 0, 0));
        peer->open = peer->fd >= 0;
        peer->length = 0;
        return peer->open || peer->fd == -LINUX_EAGAIN || peer->fd == -LINUX_EINTR ? HELD_NOTHING : HELD_FULL;
    }
    return HELD_FULL;
}

/* Keeps and answers the whole deliveries in the peer's buffer. */
static enum held_step take_deliveries(struct held *held, struct held_peer *peer)
{
    enum held_step step = HELD_NOTHING;
    struct http_request request;
    while (peer->length > 0) {
        enum http_progress progress = http_read_request(peer->buffer, peer->length, &request);
        if (progress == HTTP_MORE)
            return peer->length < sizeof peer->buffer ? step : HELD_FULL;
        if (progress == HTTP_BAD || !keep_delivery(held, request.body))
            return HELD_FULL;
        step = HELD_DELIVERY;
        memmove(peer->buffer, peer->buffer + request.length, peer->length - request.length);
        peer->length -= request.length;
        if (!answer(peer) || request.close) {
            close_peer(peer);
            return step;
        }
    }
    return step;
}

enum held_step held_read(struct held *held, struct held_peer *peer)
{
    long got = system_call(SYS_RECVFROM, peer->fd, (long)(peer->buffer + peer->length),
                           (long)(sizeof peer->buffer - peer->length), LINUX_MSG_DONTWAIT, 0, 0);
    if (got == -LINUX_EINTR || got == -LINUX_EAGAIN)
        return HELD_NOTHING;
    if (got <= 0) {
        close_peer(peer); /* what has come of a delivery was not answered: its sender knows that it has failed */
        return HELD_NOTHING;
    }
    peer->length += (size_t)got;
    return take_deliveries(held, peer);
}

void held_finish(struct held *held)
{
    for (struct held_peer *peer = held->peers; peer < held->peers + HELD_PEERS; peer++) {
        char bytes[60];
        struct writer head = {bytes, sizeof bytes, 0, false};
        if (!peer->open)
            continue;
        write_text(&head, TEXT("peer "));
        write_decimal(&head, peer->fd);
        write_text(&head, TEXT(" "));
        write_decimal(&head, (int64_t)peer->length);
        write_text(&head, TEXT("\n"));
        if (!append(held, &head, (struct text){peer->buffer, peer->length}))
            close_peer(peer);
    }
}

void held_close(struct held *held)
{
    for (struct held_peer *peer = held->peers; peer < held->peers + HELD_PEERS; peer++)
        if (peer->open)
            close_peer(peer);
    if (held->file >= 0)
        close_fd(held->file);
    held->file = -1;
}
