#include "extension.h"

#include "json.h"
#include "system.h"

/*
 * How long answers may take. Init cannot go on without the registration, and giving up on it gains nothing; the
 * subscription is only ours to lose, and the function shall not wait for it.
 */
enum { REGISTER_MS = 8000, SUBSCRIBE_MS = 1000, REQUEST_CAPACITY = 2048, BODY_CAPACITY = 512 };

/* Lambda's newest, and the one that every endpoint knows. */
static const char *const SCHEMAS[] = {"2025-01-29", "2022-07-01"};

struct request {
    const char *line; /* method and path */
    struct text extra_header;
    struct text body;
};

static void write_request(const struct extension *extension, struct request request, struct writer *writer)
{
    write_text(writer, text_of(request.line));
    write_text(writer, TEXT(" HTTP/1.1\r\nHost: "));
    write_text(writer, extension->settings.runtime_api);
    write_text(writer, TEXT("\r\n"));
    if (extension->registered) {
        write_text(writer, TEXT("Lambda-Extension-Identifier: "));
        write_text(writer, text_of(extension->identifier));
        write_text(writer, TEXT("\r\n"));
    }
    write_text(writer, request.extra_header);
    if (request.body.length > 0) {
        write_text(writer, TEXT("Content-Type: application/json\r\nContent-Length: "));
        write_decimal(writer, (int64_t)request.body.length);
        write_text(writer, TEXT("\r\n"));
    }
    write_text(writer, TEXT("\r\n"));
    write_text(writer, request.body);
}

static bool ask(struct extension *extension, struct request request, deadline until, struct http_answer *answer)
{
    char bytes[REQUEST_CAPACITY];
    struct writer writer = {bytes, sizeof bytes, 0, false};
    write_request(extension, request, &writer);
    return !writer.overflow && connection_exchange(&extension->api, written(&writer), until, answer);
}

/* Copies a value of the platform; false, and "", where it is no token or does not fit. */
static bool keep(char *to, size_t capacity, struct text value)
{
    struct writer writer = {to, capacity, 0, false};
    *to = 0;
    if (!text_is_token(value) || value.length >= capacity)
        return false;
    write_text(&writer, value);
    written_string(&writer);
    return true;
}

bool extension_register(struct extension *extension, deadline until)
{
    struct http_answer answer;
    char header[256];
    struct writer writer = {header, sizeof header, 0, false};
    write_text(&writer, TEXT("Lambda-Extension-Accept-Feature: accountId\r\nLambda-Extension-Name: "));
    write_text(&writer, extension->name);
    write_text(&writer, TEXT("\r\n"));
    struct request request = {
        .line = "POST /2020-01-01/extension/register",
        .extra_header = written(&writer),
        .body = extension->settings.managed_instance ? TEXT("{\"events\":[\"SHUTDOWN\"]}")
                                                     : TEXT("{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}"),
    };
    if (!ask(extension, request, until, &answer) || answer.status / 100 != 2)
        return false;
    extension->registered = keep(extension->identifier, sizeof extension->identifier, answer.identifier);
    if (!extension->registered)
        return false;
    extension->registered_ns = clock_ns(LINUX_CLOCK_REALTIME);
    struct text account = json_string(answer.body, TEXT("accountId"));
    if (text_decimal(account, INT64_MAX) >= 0)
        keep(extension->account, sizeof extension->account, account);
    return true;
}

static void listen_for_telemetry(struct extension *extension)
{
    extension->port = extension->settings.listener_port;
    extension->listener = listener_open(ANY_ADDRESS, &extension->port); /* sandbox.localdomain is not 127.0.0.1 */
    if (extension->listener < 0 && extension->settings.listener_port != 0) {
        extension->port = 0; /* the wanted port is taken: any other serves as well */
        extension->listener = listener_open(ANY_ADDRESS, &extension->port);
    }
}

/* The status of the answer; 0 where there is none. */
static int subscribe_with(struct extension *extension, const char *schema, deadline until)
{
    struct http_answer answer;
    char body[BODY_CAPACITY];
    struct writer writer = {body, sizeof body, 0, false};
    write_text(&writer, TEXT("{\"schemaVersion\":\""));
    write_text(&writer, text_of(schema));
    write_text(&writer, TEXT("\",\"types\":[\"platform\""));
    if (extension->settings.logs)
        write_text(&writer, TEXT(",\"function\""));
    write_text(&writer, TEXT("],\"buffering\":{\"maxItems\":1000,\"maxBytes\":262144,\"timeoutMs\":25},"
                             "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain:"));
    write_decimal(&writer, extension->port);
    write_text(&writer, TEXT("\"}}"));
    struct request request = {.line = "PUT /2022-07-01/telemetry", .extra_header = TEXT(""), .body = written(&writer)};
    return ask(extension, request, until, &answer) ? answer.status : 0;
}

static void subscribe(struct extension *extension)
{
    deadline until = deadline_in_ms(SUBSCRIBE_MS);
    int status = 400;
    for (size_t i = 0; i < sizeof SCHEMAS / sizeof *SCHEMAS && status == 400; i++) {
        status = subscribe_with(extension, SCHEMAS[i], until);
        if (status == 200)
            extension->schema = SCHEMAS[i];
    }
    bool refused = status != 200 && status != 0; /* without an answer, deliveries may come all the same */
    if (refused) {
        close_fd(extension->listener);
        extension->listener = -1;
    }
}

static bool send_next(struct extension *extension, deadline until)
{
    char bytes[REQUEST_CAPACITY];
    struct writer writer = {bytes, sizeof bytes, 0, false};
    struct request request = {.line = "GET /2020-01-01/extension/event/next", .extra_header = TEXT(""), .body = TEXT("")};
    write_request(extension, request, &writer);
    return connection_send(&extension->api, written(&writer), until);
}

void extension_make_ready(struct extension *extension)
{
    if (!extension_register(extension, deadline_in_ms(REGISTER_MS))) {
        connection_close(&extension->api);
        return;
    }
    listen_for_telemetry(extension);
    if (extension->listener >= 0)
        subscribe(extension);
    /* Subscribed or not, the function must not wait; and after this the platform takes no subscription any more. */
    extension->waiting = send_next(extension, deadline_in_ms(SUBSCRIBE_MS));
}

enum event extension_next_event(struct extension *extension)
{
    struct http_answer answer;
    if (!send_next(extension, NEVER) || !connection_receive(&extension->api, NEVER, &answer) || answer.status != 200)
        return EVENT_NONE;
    struct text type = json_string(answer.body, TEXT("eventType"));
    return text_equal(type, TEXT("SHUTDOWN")) ? EVENT_SHUTDOWN : EVENT_OTHER;
}

static struct text stage_of(const struct extension *extension)
{
    if (extension->waiting)
        return TEXT("waiting");
    if (extension->schema)
        return TEXT("subscribed");
    if (extension->listener >= 0)
        return TEXT("listening");
    return extension->registered ? TEXT("registered") : TEXT("none");
}

static void write_number(struct writer *writer, struct text key, int64_t number)
{
    write_text(writer, key);
    write_decimal(writer, number);
}

static void write_value(struct writer *writer, struct text key, const char *value)
{
    write_text(writer, key);
    write_text(writer, text_of(value));
}

void extension_write_handoff(const struct extension *extension, struct writer *writer)
{
    write_text(writer, TEXT("stage="));
    write_text(writer, stage_of(extension));
    if (extension->registered && extension->api.fd >= 0)
        write_number(writer, TEXT(" api="), extension->api.fd);
    if (extension->listener >= 0) {
        write_number(writer, TEXT(" listener="), extension->listener);
        write_number(writer, TEXT(" port="), extension->port);
    }
    if (extension->schema)
        write_value(writer, TEXT(" schema="), extension->schema);
    if (extension->registered)
        write_value(writer, TEXT(" id="), extension->identifier);
    if (extension->account[0])
        write_value(writer, TEXT(" account="), extension->account);
    write_number(writer, TEXT(" start_ns="), extension->start_ns);
    if (extension->registered)
        write_number(writer, TEXT(" registered_ns="), extension->registered_ns);
    if (extension->event_ns)
        write_number(writer, TEXT(" event_ns="), extension->event_ns);
    if (extension->runtime_ns)
        write_number(writer, TEXT(" runtime_ns="), extension->runtime_ns);
    if (extension->taken_over >= 0)
        write_number(writer, TEXT(" taken_over="), extension->taken_over);
    if (extension->held.file >= 0)
        write_number(writer, TEXT(" held="), extension->held.file);
    if (extension->depth.marks >= 0)
        write_number(writer, TEXT(" marks="), extension->depth.marks);
    if (extension->depth.events >= 0)
        write_number(writer, TEXT(" events="), extension->depth.events);
}

void extension_close(struct extension *extension)
{
    connection_close(&extension->api);
    if (extension->listener >= 0)
        close_fd(extension->listener);
    extension->listener = -1;
    held_close(&extension->held);
    depth_close(&extension->depth);
    extension->waiting = false;
}
