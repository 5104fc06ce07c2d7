#include "environment.h"

/* Names that are passed on; one that ends in "*" stands for every name that begins so. */
static const char *const PASSED_ON[] = {
    "LAMBDASCOPE_*",
    "OTEL_*",
    "AWS_LAMBDA_*",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_SESSION_TOKEN", /* what the Parameters and Secrets extension wants to be shown; the keys are none of our business */
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "TZ",
};

static const struct text HANDOFF = {"LAMBDASCOPE_HANDOFF", sizeof "LAMBDASCOPE_HANDOFF" - 1};

static struct text name_of(const char *entry)
{
    struct text name = text_of(entry);
    for (size_t i = 0; i < name.length; i++)
        if (entry[i] == '=')
            return (struct text){entry, i};
    return name;
}

struct text environment_value(char *const *environment, struct text name)
{
    for (; *environment; environment++)
        if (text_equal(name_of(*environment), name)) {
            struct text entry = text_of(*environment);
            size_t value = name.length + (entry.length > name.length ? 1 : 0);
            return (struct text){entry.at + value, entry.length - value};
        }
    return TEXT("");
}

struct settings settings_from(char *const *environment)
{
    struct text logs = environment_value(environment, TEXT("LAMBDASCOPE_LOGS"));
    struct text type = environment_value(environment, TEXT("AWS_LAMBDA_INITIALIZATION_TYPE"));
    struct text receiver = environment_value(environment, TEXT("LAMBDASCOPE_OTLP_RECEIVER"));
    int64_t port = text_decimal(environment_value(environment, TEXT("LAMBDASCOPE_LISTENER_PORT")), UINT16_MAX);
    return (struct settings){
        .runtime_api = environment_value(environment, TEXT("AWS_LAMBDA_RUNTIME_API")),
        .managed_instance = text_equal(type, TEXT("lambda-managed-instances")),
        .on_demand = text_equal(type, TEXT("on-demand")),
        .receives = receiver.length > 0 && !text_equal_ignoring_case(receiver, TEXT("off")),
        .logs = !text_equal_ignoring_case(logs, TEXT("off")),
        .listener_port = port > 0 ? (uint16_t)port : 0,
    };
}

bool endpoint_from(struct text text, struct endpoint *endpoint)
{
    unsigned char address[4];
    for (size_t i = 0; i < sizeof address; i++) {
        int64_t byte = text_decimal(text_until(&text, i < 3 ? '.' : ':'), 255);
        if (byte < 0)
            return false;
        address[i] = (unsigned char)byte;
    }
    int64_t port = text_decimal(text, UINT16_MAX);
    __builtin_memcpy(&endpoint->address, address, sizeof address);
    endpoint->port = (uint16_t)port;
    return port > 0;
}

static bool passes(struct text name)
{
    if (text_equal(name, HANDOFF))
        return false;
    for (size_t i = 0; i < sizeof PASSED_ON / sizeof *PASSED_ON; i++) {
        struct text rule = text_of(PASSED_ON[i]);
        bool prefix = rule.at[rule.length - 1] == '*';
        rule.length -= prefix;
        if (prefix ? text_starts_with(name, rule) : text_equal(name, rule))
            return true;
    }
    return false;
}

size_t environment_for_python(char *const *environment, const char **kept, size_t capacity)
{
    size_t count = 0;
    for (; *environment && count < capacity; environment++)
        if (passes(name_of(*environment)))
            kept[count++] = *environment;
    return count;
}
