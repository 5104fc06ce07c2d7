#include "relay.h"

#include "bytes.h"
#include "system.h"

enum {
    PIECE = 64 * 1024,
    SMALL_PIECE = 4 * 1024, /* a page */
    KEPT_GENEROUSLY = 512 * 1024
};

/* Of one thread, and empty between two calls: what cannot be passed on at once moves to the flow's own memory. */
static char piece[PIECE];
static size_t kept; /* in such memory, of all flows: where many peers are slow at once, less is read of each */

static void set_option(int fd, int level, int option, const void *value, long size)
{
    system_call(SYS_SETSOCKOPT, fd, level, option, (long)value, size, 0);
}

static void send_at_once(int fd)
{
    int on = 1;
    set_option(fd, LINUX_IPPROTO_TCP, LINUX_TCP_NODELAY, &on, sizeof on);
}

/* Closes with a reset, so that the peer learns of it as it would have without us. */
static void abort_connection(int fd)
{
    struct { int on, seconds; } linger = {1, 0};
    set_option(fd, LINUX_SOL_SOCKET, LINUX_SO_LINGER, &linger, sizeof linger);
    close_fd(fd);
}

static void free_pending(struct flow *flow)
{
    if (flow->pending)
        system_call3(SYS_MUNMAP, (long)flow->pending, (long)flow->end, 0);
    if (flow->pending)
        kept -= flow->end;
    flow->pending = NULL;
    flow->begin = flow->end = 0;
}

static void relay_close(struct relay *relay, bool abruptly, const struct exchange_owner *owner)
{
    free_pending(&relay->request);
    free_pending(&relay->answer);
    if (relay->exchange.capture)
        owner->drop(relay->exchange.capture);
    relay->exchange.capture = NULL;
    void (*end)(int) = abruptly ? abort_connection : close_fd;
    end(relay->request.from);
    end(relay->request.to);
    relay->open = false;
}

int relay_socket(void)
{
    int kind = LINUX_SOCK_STREAM | LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK;
    return (int)system_call3(SYS_SOCKET, LINUX_AF_INET, kind, 0);
}

void relay_open(struct relay *relay, int client, int api, struct endpoint upstream)
{
    struct linux_sockaddr_in address = {
        .family = LINUX_AF_INET,
        .port = (uint16_t)(upstream.port << 8 | upstream.port >> 8),
        .address = upstream.address,
    };
    long connected = system_call3(SYS_CONNECT, api, (long)&address, sizeof address);
    if (connected < 0 && connected != -LINUX_EINPROGRESS) {
        close_fd(api);
        abort_connection(client);
        return;
    }
    send_at_once(api);
    send_at_once(client);
    relay->request = (struct flow){.from = client, .to = api};
    relay->answer = (struct flow){.from = api, .to = client};
    exchange_begin(&relay->exchange);
    relay->open = true;
}

/* Sends what goes at once, and returns how much that was; -1 where the peer takes no more. */
static long send_some(int fd, struct text data)
{
    for (;;) {
        long sent = system_call(SYS_SENDTO, fd, (long)data.at, (long)data.length,
                                LINUX_MSG_NOSIGNAL | LINUX_MSG_DONTWAIT, 0, 0);
        if (sent == -LINUX_EINTR)
            continue;
        if (sent == -LINUX_EAGAIN)
            return 0;
        return sent < 0 ? -1 : sent;
    }
}

/* Keeps what was not sent; there is none kept yet. */
static bool keep(struct flow *flow, struct text rest)
{
    long size = (long)rest.length;
    long memory = system_call(SYS_MMAP, 0, size, LINUX_PROT_READ_WRITE, LINUX_MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096)
        return false;
    flow->pending = (char *)memory;
    memcpy(flow->pending, rest.at, rest.length);
    flow->begin = 0;
    flow->end = rest.length;
    kept += rest.length;
    return true;
}

static void pass_on(struct flow *flow, struct text data)
{
    long sent = flow->dead ? (long)data.length : send_some(flow->to, data);
    if (sent < 0)
        flow->dead = true;
    else if ((size_t)sent < data.length && !keep(flow, (struct text){data.at + sent, data.length - (size_t)sent}))
        flow->ended = flow->broken = true; /* no memory: an honest end is better than a hole */
}

static void flush(struct flow *flow)
{
    long sent = send_some(flow->to, (struct text){flow->pending + flow->begin, flow->end - flow->begin});
    if (sent < 0)
        flow->dead = true;
    flow->begin = flow->dead ? flow->end : flow->begin + (size_t)sent;
    if (flow->begin == flow->end)
        free_pending(flow);
}

/* Reads once; how much came. */
static size_t receive(struct flow *flow)
{
    long most = kept < KEPT_GENEROUSLY ? PIECE : SMALL_PIECE;
    long got = system_call(SYS_RECVFROM, flow->from, (long)piece, most, LINUX_MSG_DONTWAIT, 0, 0);
    if (got == -LINUX_EAGAIN || got == -LINUX_EINTR)
        return 0;
    flow->ended = got <= 0;
    flow->broken = got < 0;
    return got > 0 ? (size_t)got : 0;
}

static bool is_waiting(const struct flow *flow)
{
    return flow->begin < flow->end;
}

void relay_wanted(const struct relay *relay, short *client, short *upstream)
{
    *client = (short)((!relay->request.ended && !is_waiting(&relay->request) ? LINUX_POLLIN : 0)
                      | (is_waiting(&relay->answer) ? LINUX_POLLOUT : 0));
    *upstream = (short)((!relay->answer.ended && !is_waiting(&relay->answer) ? LINUX_POLLIN : 0)
                        | (is_waiting(&relay->request) ? LINUX_POLLOUT : 0));
}

/* Passes the end on, once all before it has been. True where the whole relay is over with it. */
static bool end_flow(struct flow *flow, const struct flow *other)
{
    if (!flow->ended || is_waiting(flow))
        return false;
    if (flow->broken || other->dead)
        return true; /* a reset ends both directions; and so does the last word of a peer that listens no more */
    if (!flow->passed)
        system_call3(SYS_SHUTDOWN, flow->to, LINUX_SHUT_WR, 0);
    flow->passed = true;
    return other->passed;
}

static bool is_over(struct relay *relay, bool *abruptly)
{
    bool over = end_flow(&relay->answer, &relay->request);
    over = end_flow(&relay->request, &relay->answer) || over;
    *abruptly = relay->request.broken || relay->answer.broken || relay->request.dead || relay->answer.dead;
    return over;
}

/* An error where nothing is read any more: the peer is gone for good. */
static bool is_gone(const struct flow *flow, short events)
{
    return flow->ended && !is_waiting(flow) && events & LINUX_POLLERR;
}

void relay_serve(struct relay *relay, short client, short upstream, const struct exchange_owner *owner)
{
    enum { READABLE = LINUX_POLLIN | LINUX_POLLERR | LINUX_POLLHUP };
    bool abruptly, gone = is_gone(&relay->request, client) || is_gone(&relay->answer, upstream);
    if (is_waiting(&relay->answer) && client & (LINUX_POLLOUT | LINUX_POLLERR | LINUX_POLLHUP))
        flush(&relay->answer);
    if (is_waiting(&relay->request) && upstream & (LINUX_POLLOUT | LINUX_POLLERR | LINUX_POLLHUP))
        flush(&relay->request);
    if (upstream & READABLE && !relay->answer.ended && !is_waiting(&relay->answer)) {
        struct text data = {piece, receive(&relay->answer)};
        if (data.length > 0)
            pass_on(&relay->answer, data);
        exchange_answer(&relay->exchange, data, owner); /* after it has been passed on: nobody waits for us */
    }
    if (client & READABLE && !relay->request.ended && !is_waiting(&relay->request)) {
        struct text data = {piece, receive(&relay->request)};
        exchange_request(&relay->exchange, data); /* before: the answer may come while we look at it */
        if (data.length > 0)
            pass_on(&relay->request, data);
    }
    if (gone || relay->answer.dead)
        relay_close(relay, true, owner);
    else if (is_over(relay, &abruptly))
        relay_close(relay, abruptly, owner);
}
