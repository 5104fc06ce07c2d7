/*
 * Feeds mutated conversations to what looks on in the proxy, in pieces at the end of a page behind which there is nothing.
 * Built with undefined behaviour trapped; ends with 0 where nothing of it happened.
 */
#include "bytes.h"
#include "exchange.h"
#include "program.h"
#include "system.h"

#if defined(__x86_64__)
enum { SYS_MPROTECT = 10 };
#else
enum { SYS_MPROTECT = 226 };
#endif
enum { PAGE = 64 * 1024, MOST = 8192 };

static struct capture captures[2];
static size_t taken, opened;
static char message[CAPTURED_CAPACITY];

static struct capture *open_capture(void)
{
    struct capture *capture = &captures[opened++ % 2];
    capture_begin(capture, 1);
    return capture;
}

static void take(struct capture *capture, struct text request_id)
{
    struct writer writer = {message, sizeof message, 0, false};
    capture_write(capture, request_id, 0, &writer);
    if (writer.overflow)
        __builtin_trap();
    taken++;
}

static void drop(struct capture *capture)
{
    (void)capture;
}

static const struct exchange_owner OWNER = {open_capture, take, drop};
static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static const char *const REQUESTS[] = {
    "GET /2018-06-01/runtime/invocation/next?x=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nT: 1\r\n\r\n",
    "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
};
static const char *const ANSWERS[] = {
    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536\r\nContent-Length: 41\r\n\r\n"
    "{\"Records\": [{\"a\": \"x\\\"}{[\"}, {\"b\": [1,2]}]}",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    "a\r\n{\"r\":{\"t\":\r\n5\r\n[{}]}\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
};

/* Several messages, with some of their bytes changed, left out or repeated. */
static size_t mutated(char *to, const char *const *messages)
{
    struct writer writer = {to, MOST, 0, false};
    for (uint64_t count = 1 + draw(4); count > 0; count--) {
        struct text text = text_of(messages[draw(3)]);
        for (size_t i = 0; i < text.length; i++) {
            char c = text.at[i];
            uint64_t fate = draw(150);
            if (fate == 0)
                continue;
            if (fate == 1)
                c = (char)draw(256);
            for (uint64_t times = fate == 2 ? 1 + draw(20) : 1; times > 0; times--)
                write_text(&writer, (struct text){&c, 1});
        }
    }
    return writer.length;
}

static void feed(struct exchange *exchange, const char *data, size_t length, char *end, bool answer)
{
    while (length > 0) {
        size_t size = 1 + draw(length < 300 ? length : 300);
        memcpy(end - size, data, size);
        if (answer)
            exchange_answer(exchange, (struct text){end - size, size}, &OWNER);
        else
            exchange_request(exchange, (struct text){end - size, size});
        data += size;
        length -= size;
    }
}

int program_main(char *const *argv, const char *path, char *const *environment)
{
    static char data[MOST];
    static struct exchange exchange;
    (void)path, (void)environment;
    long memory = system_call(SYS_MMAP, 0, 2 * PAGE, LINUX_PROT_READ_WRITE, LINUX_MAP_PRIVATE_ANONYMOUS, -1, 0);
    system_call3(SYS_MPROTECT, memory + PAGE, PAGE, 0);
    char *end = (char *)memory + PAGE;
    state = (uint64_t)text_decimal(text_of(argv[1]), INT64_MAX);
    for (int64_t rounds = text_decimal(text_of(argv[2]), INT64_MAX); rounds > 0; rounds--) {
        exchange_begin(&exchange);
        feed(&exchange, data, mutated(data, REQUESTS), end, false);
        feed(&exchange, data, mutated(data, ANSWERS), end, true);
    }
    return taken > 0 ? 0 : 3; /* where nothing was ever understood, nothing was tried */
}
