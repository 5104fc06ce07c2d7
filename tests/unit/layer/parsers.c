/*
 * Runs the launcher's parsers: once over standard input, which the test gives, or over mutated messages (FUZZ).
 *
 * Built with undefined behaviour trapped. Each buffer ends where memory ends, so that a read past it is a fault.
 */
#include "environment.h"
#include "http.h"
#include "json.h"
#include "program.h"
#include "runtime.h"
#include "system.h"

#include "bytes.h"

#if defined(__x86_64__)
enum { SYS_MPROTECT = 10 };
#else
enum { SYS_MPROTECT = 226 };
#endif
enum { PAGE = 64 * 1024 };

/* A page behind which there is nothing. */
static char *guarded_page(void)
{
    char *pages = (char *)system_call(SYS_MMAP, 0, 2 * PAGE, LINUX_PROT_READ_WRITE, LINUX_MAP_PRIVATE_ANONYMOUS, -1, 0);
    system_call3(SYS_MPROTECT, (long)(pages + PAGE), PAGE, 0);
    return pages;
}

static char out_buffer[2 * PAGE];
static struct writer out = {out_buffer, sizeof out_buffer, 0, false};

static void flush(void)
{
    system_call3(SYS_WRITE, 1, (long)out.at, (long)out.length);
    out.length = 0;
}

static void line(struct text name, struct text value)
{
    write_text(&out, name);
    write_text(&out, TEXT("="));
    write_text(&out, value);
    write_text(&out, TEXT("\n"));
}

static void number(struct text name, int64_t value)
{
    char digits[24];
    struct writer writer = {digits, sizeof digits, 0, false};
    write_decimal(&writer, value);
    line(name, written(&writer));
}

static size_t read_input(char *to, size_t capacity)
{
    size_t length = 0;
    long got;
    while ((got = system_call3(SYS_READ, 0, (long)(to + length), (long)(capacity - length))) > 0)
        length += (size_t)got;
    return length;
}

static struct text variable(char *const *environment, struct text name)
{
    for (; *environment; environment++) {
        struct text entry = text_of(*environment);
        if (text_starts_with(entry, name) && entry.at[name.length] == '=')
            return (struct text){entry.at + name.length + 1, entry.length - name.length - 1};
    }
    return TEXT("");
}

static void show_http(struct text input, char *end, bool ended)
{
    static const char *const NAMES[] = {"more", "done", "bad"};
    struct http_answer answer = {0};
    char *buffer = end - input.length;
    memmove(buffer, input.at, input.length);
    enum http_progress progress = http_read(buffer, input.length, ended, &answer);
    line(TEXT("progress"), text_of(NAMES[progress]));
    if (progress != HTTP_DONE)
        return;
    number(TEXT("status"), answer.status);
    number(TEXT("reusable"), answer.reusable);
    line(TEXT("identifier"), answer.identifier);
    line(TEXT("body"), answer.body);
}

static void show_request(struct text input, char *end)
{
    static const char *const NAMES[] = {"more", "done", "bad"};
    struct http_request request = {0};
    char *buffer = end - input.length;
    memmove(buffer, input.at, input.length);
    enum http_progress progress = http_read_request(buffer, input.length, &request);
    line(TEXT("progress"), text_of(NAMES[progress]));
    if (progress != HTTP_DONE)
        return;
    number(TEXT("close"), request.close);
    number(TEXT("rest"), (int64_t)(input.length - request.length));
    number(TEXT("done"), text_contains(request.body, TEXT("\"platform.runtimeDone\"")));
    line(TEXT("body"), request.body);
}

static void show_endpoint(struct text input)
{
    struct endpoint endpoint = {0, 0};
    bool valid = endpoint_from(input, &endpoint);
    number(TEXT("valid"), valid);
    if (valid) {
        unsigned char bytes[4];
        memcpy(bytes, &endpoint.address, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            number(TEXT("byte"), bytes[i]);
        number(TEXT("port"), endpoint.port);
    }
}

static void show_environment(char *const *environment)
{
    const char *kept[8];
    struct settings settings = settings_from(environment);
    size_t count = environment_for_python(environment, kept, sizeof kept / sizeof *kept);
    line(TEXT("runtime_api"), settings.runtime_api);
    number(TEXT("managed_instance"), settings.managed_instance);
    number(TEXT("on_demand"), settings.on_demand);
    number(TEXT("logs"), settings.logs);
    number(TEXT("listener_port"), settings.listener_port);
    for (size_t i = 0; i < count; i++)
        line(TEXT("kept"), text_of(kept[i]));
}

/* Marsaglia's xorshift: the same mutations for the same seed. */
static uint64_t state;

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static const char *const SEEDS[] = {
    "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: 3f-a\r\nContent-Length: 17\r\n\r\n{\"accountId\":\"1\"}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{\"eve\r\n10\r\nntType\":\"SHUTDOW\r\n3\r\nN\"}\r\n0\r\nT: v\r\n\r\n",
    "HTTP/1.0 400 Bad\nConnection: close\n\n{\"a\":{\"b\":[1,2,\"}\"]},\"eventType\":\"INVOKE\"}",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 30\r\nConnection: close\r\n\r\n[{\"type\":\"platform.runtimeDone\"}]POST / HTTP",
};
static const char ALPHABET[] = "\r\n\r\n: ;,\"\\{}[]0123456789afAFHTTP/1.\0\x7f\xff";

static size_t mutated(char *to, size_t capacity)
{
    struct text seed = text_of(SEEDS[random_below(sizeof SEEDS / sizeof *SEEDS)]);
    size_t length = seed.length < capacity ? seed.length : capacity;
    memcpy(to, seed.at, length);
    for (uint64_t edits = random_below(5); edits-- > 0 && length > 0;) {
        size_t at = random_below(length), count = random_below(4);
        if (random_below(3) > 0)
            to[at] = ALPHABET[random_below(sizeof ALPHABET)];
        else if (random_below(2) && at + count <= length) {
            memmove(to + at, to + at + count, length - at - count);
            length -= count;
        } else if (length + count <= capacity) {
            memmove(to + at + count, to + at, length - at);
            length += count;
        }
    }
    return length;
}

static bool inside(struct text text, const char *buffer, size_t length)
{
    return text.length == 0 || (text.at >= buffer && text.at + text.length <= buffer + length);
}

/*
 * What must hold for every input: texts lie in the buffer; an answer that is whole is whole at its first such byte and
 * stays it; what is bad stays bad; at the end of the stream there is an answer or none, but nothing to wait for.
 */
static bool holds(const char *input, size_t length, char *end)
{
    struct http_answer answer;
    enum http_progress before = HTTP_MORE;
    for (size_t given = 0; given <= length; given++) {
        char *buffer = end - given;
        memcpy(buffer, input, given);
        enum http_progress now = http_read(buffer, given, false, &answer);
        if (before != HTTP_MORE && now != before)
            return false;
        if (now == HTTP_DONE && !(inside(answer.body, buffer, given) && inside(answer.identifier, buffer, given)))
            return false;
        if (now == HTTP_DONE) {
            struct text value = json_string(answer.body, TEXT("eventType"));
            if (!inside(value, buffer, given))
                return false;
        }
        before = now;
    }
    char *buffer = end - length;
    memcpy(buffer, input, length);
    return http_read(buffer, length, true, &answer) != HTTP_MORE;
}

/* The same for requests; and nothing behind one changes it. */
static bool request_holds(const char *input, size_t length, char *end)
{
    struct http_request request, first = {0};
    enum http_progress before = HTTP_MORE;
    for (size_t given = 0; given <= length; given++) {
        char *buffer = end - given;
        memcpy(buffer, input, given);
        enum http_progress now = http_read_request(buffer, given, &request);
        if (before != HTTP_MORE && now != before)
            return false;
        if (now == HTTP_DONE) {
            text_contains(request.body, TEXT("\"platform.runtimeDone\""));
            if (before == HTTP_MORE)
                first = request;
            if (!inside(request.body, buffer, given) || request.length > given || request.length != first.length)
                return false;
        }
        before = now;
    }
    return true;
}

static int fuzz(int64_t rounds, uint64_t seed, char *end)
{
    static char input[512];
    state = seed * 2654435761u + 1;
    for (int64_t round = 0; round < rounds; round++) {
        size_t length = mutated(input, sizeof input);
        char *json = end - length;
        memcpy(json, input, length);
        if (!inside(json_string((struct text){json, length}, TEXT("eventType")), json, length)
            || json_number((struct text){json, length}, TEXT("a")) < -1
            || !holds(input, length, end) || !request_holds(input, length, end)) {
            line(TEXT("fails"), (struct text){input, length});
            flush();
            return 1;
        }
    }
    number(TEXT("rounds"), rounds);
    flush();
    return 0;
}

int program_main(char *const *argv, const char *path, char *const *environment)
{
    static char input[PAGE];
    (void)argv, (void)path;
    char *end = guarded_page() + PAGE;
    struct text mode = variable(environment, TEXT("MODE")), key = variable(environment, TEXT("KEY"));
    if (text_equal(mode, TEXT("fuzz")))
        return fuzz(text_decimal(variable(environment, TEXT("ROUNDS")), INT64_MAX),
                    (uint64_t)text_decimal(variable(environment, TEXT("SEED")), INT64_MAX), end);
    if (text_equal(mode, TEXT("environment"))) {
        show_environment(environment);
        flush();
        return 0;
    }
    struct text given = {input, read_input(input, sizeof input)};
    if (text_equal(mode, TEXT("endpoint")))
        show_endpoint(given);
    else if (text_equal(mode, TEXT("json"))) {
        memcpy(end - given.length, given.at, given.length);
        line(TEXT("value"), json_string((struct text){end - given.length, given.length}, key));
        number(TEXT("number"), json_number((struct text){end - given.length, given.length}, key));
    } else if (text_equal(mode, TEXT("environ"))) {
        memcpy(end - given.length, given.at, given.length);
        number(TEXT("ours"), is_environment_of_runtime((struct text){end - given.length, given.length}, key));
    } else if (text_equal(mode, TEXT("stat"))) {
        memcpy(end - given.length, given.at, given.length);
        number(TEXT("ticks"), start_ticks((struct text){end - given.length, given.length}));
    } else if (text_equal(mode, TEXT("request"))) {
        show_request(given, end);
    } else
        show_http(given, end, text_equal(mode, TEXT("http-ended")));
    flush();
    return 0;
}

#if __STDC_HOSTED__
/* With a C library, which the sanitizers need. */
int main(int argc, char **argv, char **environment)
{
    (void)argc;
    return program_main(argv, argv[0], environment);
}
#endif
