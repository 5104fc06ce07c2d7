#include "hold.h"

#include "json.h"
#include "runtime.h"
#include "system.h"

/*
 * How long an INVOKE event may wait for Python. The platform starts no further invocation in this sandbox until Python
 * has asked for the next event, so waiting must end well before the function's timeout, whatever telemetry comes or not.
 */
enum { FIRST_SIGN_MS = 1000, LONGEST_MS = 5000, EVENT_PIECES_MS = 20 };

struct hold {
    struct extension *extension;
    deadline until; /* NEVER before the INVOKE event */
    deadline limit; /* what `until` becomes once telemetry has come after the event */
};

/* Waits where telemetry may come after all: for half of what is left of the function's time, in bounds. */
static int64_t patience_ms(struct text event, int64_t now_ns)
{
    int64_t deadline_ms = json_number(event, TEXT("deadlineMs"));
    int64_t half_ms = deadline_ms < 0 ? FIRST_SIGN_MS : (deadline_ms - now_ns / 1000000) / 2;
    return half_ms < LONGEST_MS ? half_ms : LONGEST_MS;
}

/* Looks at the answer to GET /next and leaves it in the socket for Python. Whether it is an INVOKE event. */
static bool see_invoke(struct hold *hold)
{
    struct extension *extension = hold->extension;
    struct http_answer answer;
    enum http_progress progress = HTTP_MORE;
    for (int tries = 0; tries < EVENT_PIECES_MS && progress == HTTP_MORE; tries++) {
        if (tries > 0)
            sleep_ms(1);
        long got = system_call(SYS_RECVFROM, extension->api.fd, (long)extension->api.buffer, ANSWER_CAPACITY,
                               LINUX_MSG_PEEK | LINUX_MSG_DONTWAIT, 0, 0);
        if (got <= 0)
            return false;
        progress = http_read(extension->api.buffer, (size_t)got, false, &answer);
    }
    if (progress != HTTP_DONE || answer.status != 200
        || !text_equal(json_string(answer.body, TEXT("eventType")), TEXT("INVOKE")))
        return false;
    extension->event_ns = clock_ns(LINUX_CLOCK_REALTIME);
    extension->runtime_ns = runtime_start_ns(extension->settings.runtime_api);
    int64_t patience = patience_ms(answer.body, extension->event_ns);
    hold->limit = deadline_in_ms(patience);
    hold->until = deadline_in_ms(patience < FIRST_SIGN_MS ? patience : FIRST_SIGN_MS);
    return true;
}

/* Waits for something to do. Whether there is something; false also where the time is up. */
static bool wait_for_any(struct linux_pollfd *wanted, size_t count, deadline until)
{
    for (;;) {
        int64_t left = until == NEVER ? 1 : until - clock_ns(LINUX_CLOCK_MONOTONIC);
        struct linux_timespec timeout = {left / 1000000000, left % 1000000000};
        if (left <= 0)
            return false;
        long ready = system_call(SYS_PPOLL, (long)wanted, (long)count, until == NEVER ? 0 : (long)&timeout, 0, 0, 0);
        if (ready != -LINUX_EINTR)
            return ready > 0;
    }
}

/* Does what there is to do. Whether to go on. */
static bool hold_step(struct hold *hold)
{
    struct extension *extension = hold->extension;
    struct held *held = &extension->held;
    /* A negative descriptor is passed over by the kernel. */
    struct linux_pollfd wanted[2 + HELD_PEERS] = {
        {extension->event_ns ? -1 : extension->api.fd, LINUX_POLLIN, 0},
        {extension->listener, LINUX_POLLIN, 0},
    };
    for (size_t i = 0; i < HELD_PEERS; i++)
        wanted[2 + i] = (struct linux_pollfd){held->peers[i].open ? held->peers[i].fd : -1, LINUX_POLLIN, 0};
    if (!wait_for_any(wanted, 2 + HELD_PEERS, hold->until))
        return false;
    for (size_t i = 0; i < HELD_PEERS; i++) {
        enum held_step step = wanted[2 + i].revents ? held_read(held, &held->peers[i]) : HELD_NOTHING;
        if (step == HELD_DELIVERY && extension->event_ns)
            hold->until = hold->limit;
        if (step == HELD_FULL)
            return false;
    }
    if (wanted[0].revents && !see_invoke(hold))
        return false;
    if (wanted[1].revents && held_accept(held, extension->listener) == HELD_FULL)
        return false;
    return !held->function_done;
}

void hold_until_function_is_done(struct extension *extension)
{
    struct hold hold = {extension, NEVER, NEVER};
    bool end_can_be_seen = extension->waiting && extension->schema && extension->listener >= 0;
    /* What the function's own SDK sends in its first invocation has to find Python's receiver there. */
    bool may_wait = extension->settings.on_demand && !extension->settings.receives;
    if (!may_wait || !end_can_be_seen || !held_open(&extension->held))
        return;
    system_call3(SYS_FCNTL, extension->listener, LINUX_F_SETFL, LINUX_O_NONBLOCK);
    while (hold_step(&hold))
        continue;
    held_finish(&extension->held);
}
