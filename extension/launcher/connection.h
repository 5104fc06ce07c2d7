/* A keep-alive connection to the Extensions API. */
#ifndef LAMBDASCOPE_CONNECTION_H
#define LAMBDASCOPE_CONNECTION_H

#include "environment.h"
#include "http.h"

/* The longest answer that is read. The longest one expected, an INVOKE event, has about 1 KB. */
enum { ANSWER_CAPACITY = 16 * 1024 };

struct connection {
    struct endpoint endpoint;
    int fd;    /* -1: not connected */
    bool used; /* has carried an answer already, so the peer may have closed it since */
    char buffer[ANSWER_CAPACITY];
};

/* A moment of CLOCK_MONOTONIC in nanoseconds. */
typedef int64_t deadline;
static const deadline NEVER = INT64_MAX;
deadline deadline_in_ms(int64_t ms);

/* Moves a new descriptor away from stdin, stdout and stderr, which may be closed; negative errors pass through. */
int above_standard_streams(int fd);

void connection_close(struct connection *connection);
/* Sends a request, connecting first where there is no connection. On failure there is none afterwards. */
bool connection_send(struct connection *connection, struct text request, deadline until);
/* Reads the answer. On failure, and where the answer says so, there is no connection afterwards. */
bool connection_receive(struct connection *connection, deadline until, struct http_answer *answer);
/* Sends and receives; once more where a connection that was kept open turns out to be closed. */
bool connection_exchange(struct connection *connection, struct text request, deadline until, struct http_answer *answer);

/*
 * Opens a socket that listens at an IPv4 address and returns it, or a negative errno. `port` is the wanted one, 0 for any,
 * and then the one that it got.
 */
int listener_open(uint32_t address, uint16_t *port);

/* In network byte order, on processors whose own is the other one. */
static const uint32_t ANY_ADDRESS = 0, LOOPBACK = 0x0100007f;

#endif
