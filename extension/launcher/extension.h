/* The extension as the platform sees it: what must have happened before the function's init may end. */
#ifndef LAMBDASCOPE_EXTENSION_H
#define LAMBDASCOPE_EXTENSION_H

#include "connection.h"
#include "depth.h"
#include "held.h"

struct extension {
    struct settings settings;
    struct text name; /* of the file in /opt/extensions */
    struct connection api;
    bool registered;
    char identifier[129]; /* "" until registered */
    char account[21];     /* "" where the platform does not tell */
    int64_t start_ns, registered_ns; /* CLOCK_REALTIME; registered_ns is 0 until registered */
    int listener;                    /* -1: none */
    uint16_t port;
    const char *schema; /* of the telemetry that is delivered; NULL: not subscribed */
    bool waiting;       /* the next event is asked for, and its answer not read yet */
    int64_t event_ns;   /* when that answer came, CLOCK_REALTIME; 0: not yet, or nobody looked */
    int64_t runtime_ns; /* when the runtime's process started, CLOCK_REALTIME; 0: not known */
    int taken_over;     /* pipe on which Python says that it goes on from here; -1: none */
    struct held held;   /* telemetry that was taken in Python's place */
    struct depth depth; /* from the wrapper and the proxy, for Python */
};

/* Registers, listens, subscribes and asks for the next event; goes as far as it gets, in bounded time. */
void extension_make_ready(struct extension *extension);
bool extension_register(struct extension *extension, deadline until);
/* Asks for the next event, waits for it however long that takes, and says whether it is SHUTDOWN. */
enum event { EVENT_NONE, EVENT_SHUTDOWN, EVENT_OTHER };
enum event extension_next_event(struct extension *extension);
/* Writes what the bundled Python needs to carry on: "stage=waiting api=3 listener=4 …" (docs/layer.md). */
void extension_write_handoff(const struct extension *extension, struct writer *writer);
void extension_close(struct extension *extension);

#endif
