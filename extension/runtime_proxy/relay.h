/*
 * One connection of the runtime and the one to the Runtime API that stands for it. Every byte of the one is passed on to the
 * other as it is, and so are the ends of both: what is not changed cannot be changed wrongly.
 */
#ifndef LAMBDASCOPE_RELAY_H
#define LAMBDASCOPE_RELAY_H

#include "environment.h"
#include "exchange.h"

struct flow {
    int from, to;
    char *pending; /* what `to` did not take yet, from `begin` to `end`; NULL where it took all */
    size_t begin, end;
    bool ended;  /* `from` will give no more */
    bool broken; /* and it was a reset */
    bool passed; /* the end was passed on */
    bool dead;   /* `to` takes no more: what comes is dropped until the other direction has ended */
};

struct relay {
    bool open;
    struct flow request, answer; /* from the runtime, and to it */
    struct exchange exchange;
};

/* A socket for the API's side; a negative errno where there is none. */
int relay_socket(void);
/* Takes the runtime's connection, and connects `api` without waiting for it. On failure both are closed. */
void relay_open(struct relay *relay, int client, int api, struct endpoint upstream);
/* What to wait for at the runtime's end and at the API's: events of poll(2). */
void relay_wanted(const struct relay *relay, short *client, short *upstream);
/* Passes on what has come. Closes the relay where it is done. */
void relay_serve(struct relay *relay, short client, short upstream, const struct exchange_owner *owner);

#endif
