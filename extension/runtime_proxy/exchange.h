/*
 * What goes over one connection to the Runtime API, looked at as it flows by: which answer is an event, and what is kept of
 * it. What it does not understand makes it look away for good; the bytes flow on regardless.
 */
#ifndef LAMBDASCOPE_EXCHANGE_H
#define LAMBDASCOPE_EXCHANGE_H

#include "capture.h"
#include "message.h"

enum { MOST_OUTSTANDING = 32 };

struct exchange {
    struct message request, answer;
    bool blind;
    bool asks_next; /* the request that is being read is GET …/invocation/next */
    uint32_t outstanding, events; /* requests without an answer; a bit for each, the oldest the lowest: is it for an event? */
    char request_id[REQUEST_ID_CAPACITY];
    size_t request_id_length;
    struct capture *capture; /* of the event that is being read; NULL where none is */
};

/* What the exchange needs from outside: memory for a capture, and somebody who takes it when it is whole. */
struct exchange_owner {
    struct capture *(*open)(void); /* NULL where there is none to give */
    void (*take)(struct capture *capture, struct text request_id); /* and gives the memory back */
    void (*drop)(struct capture *capture); /* gives it back alone: the event never became whole */
};

void exchange_begin(struct exchange *exchange);
void exchange_request(struct exchange *exchange, struct text data);
void exchange_answer(struct exchange *exchange, struct text data, const struct exchange_owner *owner);

#endif
