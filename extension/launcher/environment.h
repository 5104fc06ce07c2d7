/* What the launcher takes from the function's environment, and what it passes on. Pure. */
#ifndef LAMBDASCOPE_ENVIRONMENT_H
#define LAMBDASCOPE_ENVIRONMENT_H

#include "text.h"

struct endpoint {
    uint32_t address; /* IPv4, network byte order */
    uint16_t port;    /* host byte order */
};

struct settings {
    struct text runtime_api; /* AWS_LAMBDA_RUNTIME_API as it stands there; empty where it is not set */
    bool managed_instance;   /* AWS_LAMBDA_INITIALIZATION_TYPE: such a sandbox knows no INVOKE event */
    bool on_demand;          /* the same: somebody waits for the function's init and for its first answer */
    bool receives;           /* LAMBDASCOPE_OTLP_RECEIVER: the function's SDK looks for a listener of Python's */
    bool logs;               /* LAMBDASCOPE_LOGS: subscribe to the function's log lines too */
    uint16_t listener_port;  /* LAMBDASCOPE_LISTENER_PORT; 0 lets the kernel choose */
};

/* `environment` as the kernel gives it: NAME=value strings, then NULL. Empty where it is not set. */
struct text environment_value(char *const *environment, struct text name);

struct settings settings_from(char *const *environment);

/* Reads "127.0.0.1:9001". Only IPv4 literals: names would need a resolver, and Lambda gives none. */
bool endpoint_from(struct text text, struct endpoint *endpoint);

/*
 * Writes those entries to `kept` that may change what the extension does, at most `capacity`, and returns how many.
 * Everything else of the function's environment (PYTHONPATH, LD_PRELOAD, SSL_CERT_FILE, MALLOC_… and so on) stays out.
 */
size_t environment_for_python(char *const *environment, const char **kept, size_t capacity);

#endif
