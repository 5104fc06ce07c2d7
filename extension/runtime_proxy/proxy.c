/*
 * The Runtime API proxy: docs/depth.md tells what it does and why.
 *
 *     proxy UPSTREAM LISTENER PORT ANNOUNCER EVENTS
 *
 * UPSTREAM is "127.0.0.1:9001"; LISTENER, ANNOUNCER and EVENTS are descriptors that its parent has opened: the runtime's
 * connections come to LISTENER, which listens at PORT; whoever connects to ANNOUNCER is told "127.0.0.1:PORT UPSTREAM";
 * what is kept of each event goes to EVENTS, a datagram socket.
 */
#include "program.h"
#include "relay.h"
#include "system.h"

/* More connections wait in the kernel. A runtime has one or two; on Managed Instances one for each concurrent request. */
enum { MOST_RELAYS = 2048, BACKLOG = 4096, MOST_CAPTURES = 32, FIXED = 2, BACK_OFF_MS = 10 };

static struct relay relays[MOST_RELAYS];
static size_t used; /* no relay behind it is open, and none was ever touched */
static size_t open_relays;
static size_t starved_at = MOST_RELAYS; /* that many open relays were all that there are descriptors for */
static size_t captures;
static int64_t untold; /* events that nobody is told of, for want of memory or of a reader that keeps up */
static int events_fd;

static struct capture *open_capture(void)
{
    long memory = captures == MOST_CAPTURES
        ? -1
        : system_call(SYS_MMAP, 0, sizeof(struct capture), LINUX_PROT_READ_WRITE, LINUX_MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096) {
        untold++;
        return NULL;
    }
    captures++;
    capture_begin((struct capture *)memory, clock_ns(LINUX_CLOCK_REALTIME));
    return (struct capture *)memory;
}

static void drop_capture(struct capture *capture)
{
    system_call3(SYS_MUNMAP, (long)capture, sizeof *capture, 0);
    captures--;
}

/* Where nobody reads, or the queue is full, the event is unknown; it is not waited for. */
static void take_capture(struct capture *capture, struct text request_id)
{
    static char message[CAPTURED_CAPACITY];
    struct writer writer = {message, sizeof message, 0, false};
    capture_write(capture, request_id, untold, &writer);
    long sent = writer.overflow ? -1 : system_call(SYS_SENDTO, events_fd, (long)message, (long)writer.length,
                                                   LINUX_MSG_NOSIGNAL | LINUX_MSG_DONTWAIT, 0, 0);
    if (sent < 0)
        untold++;
    drop_capture(capture);
}

static const struct exchange_owner OWNER = {open_capture, take_capture, drop_capture};

/* NULL where there is none left. */
static struct relay *free_relay(void)
{
    for (size_t i = 0; i < used; i++)
        if (!relays[i].open)
            return &relays[i];
    return used < MOST_RELAYS ? &relays[used++] : NULL;
}

static bool has_room(void)
{
    return open_relays < MOST_RELAYS && open_relays < starved_at;
}

/* Both sockets or none: a connection for which there is only one descriptor is left to wait, not to fail. */
static void accept_connection(int listener, struct endpoint upstream)
{
    int api = relay_socket();
    long client = api < 0 ? api : system_call(SYS_ACCEPT4, listener, 0, 0, LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK, 0, 0);
    if (client >= 0) {
        relay_open(free_relay(), (int)client, api, upstream);
        return;
    }
    if (api >= 0)
        close_fd(api);
    if (client != -LINUX_EMFILE && client != -LINUX_ENFILE)
        return;
    starved_at = open_relays; /* until one of them ends: poll would say at once again that somebody waits */
    if (open_relays == 0)
        sleep_ms(BACK_OFF_MS);
}

static void announce(int announcer, int64_t port, struct text upstream)
{
    char line[64];
    struct writer writer = {line, sizeof line, 0, false};
    long peer = system_call(SYS_ACCEPT4, announcer, 0, 0, LINUX_SOCK_CLOEXEC, 0, 0);
    if (peer < 0)
        return;
    write_text(&writer, TEXT("127.0.0.1:"));
    write_decimal(&writer, port);
    write_text(&writer, TEXT(" "));
    write_text(&writer, upstream);
    system_call(SYS_SENDTO, peer, (long)line, (long)writer.length, LINUX_MSG_NOSIGNAL | LINUX_MSG_DONTWAIT, 0, 0);
    close_fd((int)peer);
}

/* Fills `polled` behind the fixed ones, and `who` with the relay of each pair. */
static size_t list_relays(struct linux_pollfd *polled, struct relay **who)
{
    size_t count = FIXED, last = 0;
    for (size_t i = 0; i < used; i++)
        if (relays[i].open) {
            who[(count - FIXED) / 2] = &relays[i];
            polled[count] = (struct linux_pollfd){relays[i].request.from, 0, 0};
            polled[count + 1] = (struct linux_pollfd){relays[i].request.to, 0, 0};
            relay_wanted(&relays[i], &polled[count].events, &polled[count + 1].events);
            for (size_t side = count; side < count + 2; side++)
                if (!polled[side].events)
                    polled[side].fd = -1; /* else its end would wake us again and again */
            count += 2;
            last = i + 1;
        }
    used = last;
    if ((count - FIXED) / 2 < open_relays || open_relays == 0)
        starved_at = MOST_RELAYS; /* one has ended */
    open_relays = (count - FIXED) / 2;
    return count;
}

_Noreturn static void serve(struct text api, struct endpoint upstream, int listener, int64_t port, int announcer)
{
    static struct linux_pollfd polled[FIXED + 2 * MOST_RELAYS];
    static struct relay *who[MOST_RELAYS];
    for (;;) {
        size_t count = list_relays(polled, who);
        polled[0] = (struct linux_pollfd){has_room() ? listener : -1, LINUX_POLLIN, 0};
        polled[1] = (struct linux_pollfd){announcer, LINUX_POLLIN, 0};
        if (system_call(SYS_PPOLL, (long)polled, (long)count, 0, 0, 0, 0) <= 0)
            continue;
        for (size_t i = FIXED; i < count; i += 2)
            if (polled[i].revents | polled[i + 1].revents)
                relay_serve(who[(i - FIXED) / 2], polled[i].revents, polled[i + 1].revents, &OWNER);
        if (polled[0].revents)
            accept_connection(listener, upstream);
        if (polled[1].revents)
            announce(announcer, port, api);
    }
}

/* As many descriptors as the sandbox allows, and as many who wait. */
static void make_room(int listener)
{
    struct { uint64_t now, most; } limit;
    if (system_call(SYS_PRLIMIT64, 0, LINUX_RLIMIT_NOFILE, 0, (long)&limit, 0, 0) == 0) {
        limit.now = limit.most;
        system_call(SYS_PRLIMIT64, 0, LINUX_RLIMIT_NOFILE, (long)&limit, 0, 0, 0);
    }
    system_call3(SYS_LISTEN, listener, BACKLOG, 0);
}

int program_main(char *const *argv, const char *path, char *const *environment)
{
    struct endpoint upstream;
    int64_t numbers[4];
    (void)path, (void)environment;
    for (int i = 1; i <= 5; i++)
        if (!argv[i])
            return 2;
    for (int i = 0; i < 4; i++)
        if ((numbers[i] = text_decimal(text_of(argv[i + 2]), UINT16_MAX)) < 0)
            return 2;
    if (!endpoint_from(text_of(argv[1]), &upstream))
        return 2;
    events_fd = (int)numbers[3];
    make_room((int)numbers[0]);
    serve(text_of(argv[1]), upstream, (int)numbers[0], numbers[1], (int)numbers[2]);
}
