#include "depth.h"

#include "connection.h"
#include "layout.h"
#include "local.h"
#include "system.h"

enum { DEFAULT_PORT = 9009, BACKLOG = 64, EXIT_NOT_STARTED = 127 };

static bool is_on(struct text value)
{
    return text_equal(value, TEXT("1")) || text_equal_ignoring_case(value, TEXT("on"))
        || text_equal_ignoring_case(value, TEXT("true"));
}

/* A socket that the runtime's processes find by the name and the address of their Runtime API; negative on failure. */
static int open_local(int kind, struct text name, struct text runtime_api)
{
    struct local_address address;
    long size = local_address(&address, name, runtime_api);
    int fd = above_standard_streams((int)system_call3(SYS_SOCKET, LINUX_AF_UNIX, kind, 0));
    if (fd < 0 || size < 0)
        return -1;
    long failure = system_call3(SYS_BIND, fd, (long)&address, size);
    if (failure == 0 && kind == LINUX_SOCK_STREAM)
        failure = system_call3(SYS_LISTEN, fd, BACKLOG, 0);
    if (failure < 0)
        close_fd(fd);
    return failure < 0 ? -1 : fd;
}

struct proxy {
    int listener, announcer, events;
    uint16_t port;
};

static void execute_proxy(const char *path, struct proxy proxy, struct text upstream)
{
    static char program[PATH_CAPACITY], texts[5][32], root[PATH_CAPACITY];
    struct writer writer = {program, sizeof program, 0, false};
    const char *arguments[7] = {program}, *const nothing[] = {NULL};
    int64_t numbers[] = {proxy.listener, proxy.port, proxy.announcer, proxy.events};
    write_text(&writer, layer_root(path, root));
    write_text(&writer, TEXT("/lambdascope/proxy"));
    written_string(&writer);
    for (int i = 0; i < 5; i++) {
        struct writer text = {texts[i], sizeof texts[i], 0, false};
        if (i == 0)
            write_text(&text, upstream);
        else
            write_decimal(&text, numbers[i - 1]);
        arguments[i + 1] = written_string(&text);
    }
    system_call3(SYS_EXECVE, (long)program, (long)arguments, (long)nothing);
}

/* The proxy holds nothing of ours but what it is given, and ends with us, as the sandbox does. */
static void start_proxy(const char *path, struct proxy proxy, struct text upstream, const int *ours, size_t count)
{
    long self = system_call3(SYS_GETPID, 0, 0, 0);
    if (system_call(SYS_CLONE, LINUX_SIGCHLD, 0, 0, 0, 0, 0) != 0)
        return;
    system_call3(SYS_PRCTL, LINUX_PR_SET_PDEATHSIG, LINUX_SIGKILL, 0);
    for (size_t i = 0; i < count; i++)
        if (ours[i] >= 0)
            close_fd(ours[i]);
    if (system_call3(SYS_GETPPID, 0, 0, 0) == self)
        execute_proxy(path, proxy, upstream);
    exit_process(EXIT_NOT_STARTED);
}

static int open_listener(int64_t wanted, uint16_t *port)
{
    *port = (uint16_t)wanted;
    int listener = listener_open(LOOPBACK, port);
    if (listener < 0) {
        *port = 0; /* taken: the wrapper asks for the port, so that any other serves as well */
        listener = listener_open(LOOPBACK, port);
    }
    return listener;
}

static void open_proxy(struct depth *depth, const char *path, char *const *environment, struct text runtime_api)
{
    struct text upstream = environment_value(environment, TEXT("LAMBDASCOPE_PROXY_UPSTREAM"));
    int64_t wanted = text_decimal(environment_value(environment, TEXT("LAMBDASCOPE_PROXY_PORT")), UINT16_MAX);
    struct endpoint endpoint;
    int pair[2];
    if (!endpoint_from(upstream, &endpoint))
        upstream = runtime_api;
    if (system_call(SYS_SOCKETPAIR, LINUX_AF_UNIX, LINUX_SOCK_DGRAM, 0, (long)pair, 0, 0) < 0)
        return;
    struct proxy proxy = {.events = above_standard_streams(pair[1])};
    depth->events = above_standard_streams(pair[0]);
    proxy.announcer = open_local(LINUX_SOCK_STREAM, TEXT("proxy"), runtime_api);
    proxy.listener = proxy.announcer < 0 ? -1 : open_listener(wanted < 0 ? DEFAULT_PORT : wanted, &proxy.port);
    if (proxy.listener >= 0)
        start_proxy(path, proxy, upstream, (int[]){depth->marks, depth->events}, 2);
    /* Only the proxy holds these now: where it is not running, nobody answers, and the wrapper leaves the runtime alone. */
    close_fd(proxy.events);
    if (proxy.announcer >= 0)
        close_fd(proxy.announcer);
    if (proxy.listener >= 0)
        close_fd(proxy.listener);
}

struct depth depth_open(const char *path, char *const *environment, struct text runtime_api)
{
    struct depth depth = {-1, -1};
    if (environment_value(environment, TEXT("AWS_LAMBDA_EXEC_WRAPPER")).length > 0)
        depth.marks = open_local(LINUX_SOCK_DGRAM, TEXT("marks"), runtime_api);
    if (is_on(environment_value(environment, TEXT("LAMBDASCOPE_PROXY"))))
        open_proxy(&depth, path, environment, runtime_api);
    return depth;
}

void depth_close(struct depth *depth)
{
    if (depth->marks >= 0)
        close_fd(depth->marks);
    if (depth->events >= 0)
        close_fd(depth->events);
    depth->marks = depth->events = -1;
}
