/*
 * Telemetry that the launcher takes in Python's place: deliveries in a file without a name, which Python inherits, and
 * connections that may be in the middle of one.
 */
#ifndef LAMBDASCOPE_HELD_H
#define LAMBDASCOPE_HELD_H

#include "text.h"

enum {
    HELD_PEERS = 4,
    /* A delivery has at most twice the subscription's maxBytes. Untouched memory costs nothing. */
    HELD_REQUEST_CAPACITY = 1 << 20,
    HELD_CAPACITY = 1 << 20
};

struct held_peer {
    bool open;
    int fd;
    size_t length; /* of what has come and is not taken yet */
    char buffer[HELD_REQUEST_CAPACITY];
};

struct held {
    int file; /* -1: nothing can be held */
    size_t length;
    bool function_done; /* a delivery told so */
    struct held_peer peers[HELD_PEERS];
};

/* What became of a step: HELD_FULL means that Python must take over, with everything as it is now. */
enum held_step { HELD_NOTHING, HELD_DELIVERY, HELD_FULL };

/* False where this kernel or sandbox has no place to hold anything. */
bool held_open(struct held *held);
enum held_step held_accept(struct held *held, int listener);
/* Reads what has come, keeps each whole delivery, and only then answers it with 200. */
enum held_step held_read(struct held *held, struct held_peer *peer);
/* Adds the connections as they are. After this the file is what Python reads (docs/layer.md). */
void held_finish(struct held *held);
void held_close(struct held *held);

#endif
