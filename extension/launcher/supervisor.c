#include "supervisor.h"

#include "layout.h"
#include "system.h"

#if defined(__x86_64__)
#define LOADER "ld-linux-x86-64.so.2"
#else
#define LOADER "ld-linux-aarch64.so.1"
#endif

enum { VARIABLES_CAPACITY = 1024, HANDOFF_CAPACITY = 512 };
enum { EXIT_NOT_STARTED = 127, EXIT_BY_SIGNAL = 128 };
enum { RETRY_FIRST_MS = 10, RETRY_LAST_MS = 1000, SECOND_START_MS = 50 };

static const char PYTHON_CODE[] = "import sys;from extension.__main__ import main;sys.exit(main())";

static void say(struct text what, int64_t number, struct text what_follows)
{
    char line[256];
    struct writer writer = {line, sizeof line, 0, false};
    write_text(&writer, TEXT("lambdascope: "));
    write_text(&writer, what);
    write_decimal(&writer, number);
    write_text(&writer, what_follows);
    write_text(&writer, TEXT("\n"));
    system_call3(SYS_WRITE, 2, (long)line, (long)writer.length);
}

struct paths {
    char loader[PATH_CAPACITY], libraries[PATH_CAPACITY], python[PATH_CAPACITY];
    char certificates[PATH_CAPACITY], no_bundle[PATH_CAPACITY], openssl_config[PATH_CAPACITY];
    char handoff[HANDOFF_CAPACITY];
};

static struct writer write_path(char *to, struct text name, struct text root, struct text relative)
{
    struct writer writer = {to, PATH_CAPACITY, 0, false};
    write_text(&writer, name);
    write_text(&writer, root);
    write_text(&writer, relative);
    written_string(&writer);
    return writer;
}

/* Fills `paths`; false where one is too long. */
static bool find_paths(struct paths *paths, struct text root)
{
    return !write_path(paths->loader, TEXT(""), root, TEXT("/lambdascope/lib/" LOADER)).overflow
        && !write_path(paths->libraries, TEXT(""), root, TEXT("/lambdascope/lib")).overflow
        && !write_path(paths->python, TEXT(""), root, TEXT("/lambdascope/bin/python3")).overflow
        && !write_path(paths->certificates, TEXT("SSL_CERT_DIR="), root, TEXT("/lambdascope/ca")).overflow
        && !write_path(paths->no_bundle, TEXT("SSL_CERT_FILE="), root, TEXT("/lambdascope/ca/none")).overflow
        && !write_path(paths->openssl_config, TEXT("OPENSSL_CONF="), root, TEXT("/lambdascope/openssl.cnf")).overflow;
}

/* Runs in the child. Returns only where there is no such program. */
static void execute_python(const struct extension *extension, const char *path, char *const *environment)
{
    static struct paths paths;
    static char root_buffer[PATH_CAPACITY];
    static const char *variables[VARIABLES_CAPACITY + 6];
    if (!find_paths(&paths, layer_root(path, root_buffer)))
        return;
    struct writer handoff = {paths.handoff, sizeof paths.handoff, 0, false};
    write_text(&handoff, TEXT("LAMBDASCOPE_HANDOFF="));
    extension_write_handoff(extension, &handoff);
    written_string(&handoff);
    size_t count = environment_for_python(environment, variables, VARIABLES_CAPACITY);
    variables[count++] = paths.handoff;
    variables[count++] = paths.certificates;
    variables[count++] = paths.no_bundle; /* there is no such file: OpenSSL would look for one in the function's image */
    variables[count++] = paths.openssl_config;
    variables[count++] = "LC_ALL=C"; /* UTF-8, without a locale of the function's image (PEP 540) */
    /* The loader is called by its path, so that no file of the layer holds an absolute one. */
    const char *const arguments[] = {
        paths.loader, "--inhibit-cache", "--library-path", paths.libraries,
        paths.python, "-I", "-S", "-E", "-s", "-c", PYTHON_CODE, NULL,
    };
    system_call3(SYS_EXECVE, (long)paths.loader, (long)arguments, (long)variables);
}

static long fork_process(void)
{
    return system_call(SYS_CLONE, LINUX_SIGCHLD, 0, 0, 0, 0, 0);
}

/* The function's runtime may have left SIGCHLD ignored, and then the kernel keeps no exit code. */
static void keep_exit_codes(void)
{
    struct { long handler, flags, restorer, mask; } by_default = {0, 0, 0, 0};
    system_call(SYS_RT_SIGACTION, LINUX_SIGCHLD, (long)&by_default, 0, sizeof by_default.mask, 0, 0);
}

static int wait_for(long process)
{
    int status = 0;
    long ended;
    do
        ended = system_call(SYS_WAIT4, process, (long)&status, 0, 0, 0, 0);
    while (ended == -LINUX_EINTR);
    if (ended < 0)
        return EXIT_NOT_STARTED;
    int signal = status & 0x7f;
    return signal ? EXIT_BY_SIGNAL + signal : status >> 8 & 0xff;
}

static void execute_in_child(const struct extension *extension, const char *path, char *const *environment, long parent)
{
    system_call3(SYS_PRCTL, LINUX_PR_SET_PDEATHSIG, LINUX_SIGKILL, 0);
    if (system_call3(SYS_GETPPID, 0, 0, 0) == parent) /* else it is gone already */
        execute_python(extension, path, environment);
    exit_process(EXIT_NOT_STARTED);
}

/* Waits until Python says that it goes on from here. False where it ends without having said so. */
static bool takes_over(int end)
{
    char byte;
    long got;
    do
        got = system_call3(SYS_READ, end, (long)&byte, 1);
    while (got == -LINUX_EINTR);
    return got > 0;
}

/* Its exit code. Whether there is still everything that was handed over is to be seen from `extension->waiting`. */
static int run_once(struct extension *extension, const char *path, char *const *environment)
{
    int ends[2] = {-1, -1};
    long self = system_call3(SYS_GETPID, 0, 0, 0);
    bool piped = system_call3(SYS_PIPE2, (long)ends, 0, 0) == 0;
    int ours = above_standard_streams(ends[0]);
    extension->taken_over = above_standard_streams(ends[1]);
    long child = fork_process();
    if (child == 0) {
        if (piped)
            close_fd(ours);
        execute_in_child(extension, path, environment, self);
    }
    if (piped)
        close_fd(extension->taken_over);
    extension->taken_over = -1;
    /* From then on only Python holds the sockets: they close with it, and deliveries do not pile up. */
    if (!piped || (child > 0 && takes_over(ours)))
        extension_close(extension);
    if (piped)
        close_fd(ours);
    return child < 0 ? EXIT_NOT_STARTED : wait_for(child);
}

static void say_how_it_ended(int code, struct text what_follows)
{
    if (code == EXIT_NOT_STARTED)
        say(TEXT("the bundled Python does not start, code "), code, what_follows);
    else if (code > EXIT_BY_SIGNAL)
        say(TEXT("the bundled Python was ended by signal "), code - EXIT_BY_SIGNAL, what_follows);
    else if (code != 0)
        say(TEXT("the bundled Python ended with exit code "), code, what_follows);
}

int run_python(struct extension *extension, const char *path, char *const *environment)
{
    keep_exit_codes();
    int code = run_once(extension, path, environment);
    /* Nothing has been read from any socket: a second one finds what the first has found, and what was held. */
    if (code != 0 && extension->waiting) {
        say_how_it_ended(code, TEXT("; it is started once more"));
        sleep_ms(SECOND_START_MS);
        code = run_once(extension, path, environment);
    }
    extension_close(extension);
    say_how_it_ended(code, TEXT("; the launcher goes on asking for events, without telemetry"));
    return code;
}

/* Python was to register itself and is gone: without a registration the function's init would wait in vain. */
static bool registered_at_last(struct extension *extension)
{
    for (deadline until = deadline_in_ms(10000); !extension->registered && clock_ns(LINUX_CLOCK_MONOTONIC) < until;)
        if (!extension_register(extension, until))
            sleep_ms(RETRY_LAST_MS / 10);
    return extension->registered;
}

int serve_until_shutdown(struct extension *extension)
{
    int64_t pause_ms = RETRY_FIRST_MS;
    if (!registered_at_last(extension))
        return 1;
    for (;;) {
        enum event event = extension_next_event(extension);
        if (event == EVENT_SHUTDOWN)
            return 0;
        if (event == EVENT_OTHER) {
            pause_ms = RETRY_FIRST_MS;
            continue;
        }
        connection_close(&extension->api);
        sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < RETRY_LAST_MS ? pause_ms * 2 : RETRY_LAST_MS;
    }
}
