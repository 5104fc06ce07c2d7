/*
 * What AWS_LAMBDA_EXEC_WRAPPER=/opt/lambdascope/wrapper runs in the runtime's place: docs/depth.md tells what it does and
 * why. It tells the extension that the runtime starts, sets what the probe and the proxy need, and becomes the runtime.
 */
#include "connection.h"
#include "layout.h"
#include "local.h"
#include "program.h"
#include "system.h"
#include "variables.h"

enum { MOST_ARGUMENTS = 1024, MARKS_FD = 100, EXIT_NOT_FOUND = 127, MARK_CAPACITY = 2048, ANSWER_MS = 250 };

/* Lambda's own addresses, where another vendor's wrapper has put its proxy's in the place of it. */
static const char *const USUAL_APIS[] = {"127.0.0.1:9001", "169.254.100.1:9001"};

static void say(struct text what, const char *path)
{
    char line[PATH_CAPACITY + 256];
    struct writer writer = {line, sizeof line, 0, false};
    write_text(&writer, TEXT("lambdascope: "));
    write_text(&writer, what);
    write_text(&writer, text_of(path));
    write_text(&writer, TEXT("\n"));
    system_call3(SYS_WRITE, 2, (long)line, (long)writer.length);
}

/* Connects to the extension; negative where it does not listen. */
static int connect_to(int kind, struct text name, struct text runtime_api)
{
    struct local_address address;
    long size = local_address(&address, name, runtime_api);
    int fd = size < 0 ? -1 : above_standard_streams((int)system_call3(SYS_SOCKET, LINUX_AF_UNIX, kind, 0));
    if (fd < 0)
        return -1;
    if (system_call3(SYS_CONNECT, fd, (long)&address, size) == 0)
        return fd;
    close_fd(fd);
    return -1;
}

/* By the address that the runtime is told, else by one that it may have replaced: `replaced` says so. */
static int connect_by_any(int kind, struct text name, struct text runtime_api, bool *replaced)
{
    int fd = connect_to(kind, name, runtime_api);
    *replaced = fd < 0;
    for (size_t i = 0; fd < 0 && i < sizeof USUAL_APIS / sizeof *USUAL_APIS; i++)
        if (!text_equal(runtime_api, text_of(USUAL_APIS[i])))
            fd = connect_to(kind, name, text_of(USUAL_APIS[i]));
    return fd;
}

static void write_field(struct writer *writer, struct text value)
{
    write_text(writer, TEXT("\n"));
    write_text(writer, value);
}

/* "runtime START_NS TICKS_NS", the same moment by two clocks, and a line each for log group, stream and environment. */
static void mark_start(int marks, int64_t start_ns, int64_t ticks_ns, char *const *environment)
{
    char mark[MARK_CAPACITY];
    struct writer writer = {mark, sizeof mark, 0, false};
    write_text(&writer, TEXT("runtime "));
    write_decimal(&writer, start_ns);
    write_text(&writer, TEXT(" "));
    write_decimal(&writer, ticks_ns);
    write_field(&writer, environment_value(environment, TEXT("AWS_LAMBDA_LOG_GROUP_NAME")));
    write_field(&writer, environment_value(environment, TEXT("AWS_LAMBDA_LOG_STREAM_NAME")));
    write_field(&writer, environment_value(environment, TEXT("AWS_EXECUTION_ENV")));
    if (!writer.overflow)
        system_call(SYS_SENDTO, marks, (long)mark, (long)writer.length, LINUX_MSG_NOSIGNAL | LINUX_MSG_DONTWAIT, 0, 0);
}

/*
 * Where the proxy listens, as it says itself with its upstream behind a blank; empty where it does not answer. Where the
 * runtime's address is not Lambda's, another proxy is to be in front: it stays there, unless it is what ours passes on to.
 */
static struct text ask_proxy(struct text runtime_api, char *buffer, size_t capacity)
{
    struct { int64_t seconds, microseconds; } patience = {0, ANSWER_MS * 1000};
    bool replaced;
    int fd = connect_by_any(LINUX_SOCK_STREAM, TEXT("proxy"), runtime_api, &replaced);
    if (fd < 0)
        return TEXT("");
    system_call(SYS_SETSOCKOPT, fd, LINUX_SOL_SOCKET, LINUX_SO_RCVTIMEO, (long)&patience, sizeof patience, 0);
    long got = system_call(SYS_RECVFROM, fd, (long)buffer, (long)capacity, 0, 0, 0);
    close_fd(fd);
    struct endpoint endpoint;
    struct text upstream = {buffer, got > 0 ? (size_t)got : 0};
    struct text address = text_until(&upstream, ' ');
    if (!endpoint_from(address, &endpoint) || (replaced && !text_equal(upstream, runtime_api)))
        return TEXT("");
    return address;
}

/* As execvp(3) finds a program. Returns only where it cannot be executed. */
static void execute(const char *program, char *const *arguments, char *const *variables, struct text path)
{
    if (text_basename(text_of(program)).length < text_of(program).length)
        path = TEXT("");
    else if (path.length == 0)
        return;
    if (path.length == 0)
        system_call3(SYS_EXECVE, (long)program, (long)arguments, (long)variables);
    while (path.length > 0) {
        static char candidate[PATH_CAPACITY];
        struct writer writer = {candidate, sizeof candidate, 0, false};
        write_text(&writer, text_until(&path, ':'));
        write_text(&writer, TEXT("/"));
        write_text(&writer, text_of(program));
        system_call3(SYS_EXECVE, (long)written_string(&writer), (long)arguments, (long)variables);
    }
}

/* Becomes the runtime, through the next wrapper where there is one. Returns only where neither can be executed. */
static void become(char *const *argv, char *const *variables, char *const *environment)
{
    static const char *arguments[MOST_ARGUMENTS + 2];
    static char next[PATH_CAPACITY];
    struct writer writer = {next, sizeof next, 0, false};
    size_t count = 0;
    struct text path = environment_value(environment, TEXT("PATH"));
    write_text(&writer, environment_value(environment, TEXT("LAMBDASCOPE_NEXT_WRAPPER")));
    arguments[0] = written_string(&writer);
    while (argv[count + 1] && count < MOST_ARGUMENTS) {
        arguments[count + 1] = argv[count + 1];
        count++;
    }
    if (next[0] && argv[count + 1] == NULL) {
        execute(next, (char *const *)arguments, variables, path);
        say(TEXT("the runtime starts without LAMBDASCOPE_NEXT_WRAPPER, which cannot be executed: "), next);
    }
    execute(argv[1], argv + 1, variables, path);
    say(TEXT("the wrapper was to start what cannot be executed: "), argv[1]);
}

int program_main(char *const *argv, const char *path, char *const *environment)
{
    static struct variables variables;
    static char proxy[64], root[PATH_CAPACITY];
    int64_t start_ns = clock_ns(LINUX_CLOCK_REALTIME), ticks_ns = clock_ns(LINUX_CLOCK_MONOTONIC);
    struct text runtime_api = environment_value(environment, TEXT("AWS_LAMBDA_RUNTIME_API"));
    struct wishes wishes = {.root = layer_root(path, root), .marks = -1};
    if (!argv[0] || !argv[1]) {
        say(TEXT("this is a wrapper for AWS_LAMBDA_EXEC_WRAPPER, "), path);
        return EXIT_NOT_FOUND;
    }
    bool replaced;
    int marks = connect_by_any(LINUX_SOCK_DGRAM | LINUX_SOCK_NONBLOCK, TEXT("marks"), runtime_api, &replaced);
    if (marks >= 0) {
        mark_start(marks, start_ns, ticks_ns, environment);
        wishes.marks = (int)system_call3(SYS_FCNTL, marks, LINUX_F_DUPFD, MARKS_FD);
        close_fd(marks);
    }
    wishes.runtime_api = ask_proxy(runtime_api, proxy, sizeof proxy);
    char *const *changed = variables_for_runtime(&variables, environment, &wishes);
    if (!variables.probed && wishes.marks >= 0)
        close_fd(wishes.marks);
    become(argv, changed, environment);
    return EXIT_NOT_FOUND;
}
