/* An HTTP/1.1 message as it flows by (RFC 9112): where it ends, and a few of its header lines. Pure, without a copy of it. */
#ifndef LAMBDASCOPE_MESSAGE_H
#define LAMBDASCOPE_MESSAGE_H

#include "text.h"

/* What is looked at of a line; the rest of a longer one passes by. The request id has 36 characters. */
enum { LINE_CAPACITY = 256 };

enum message_step {
    MESSAGE_MORE, /* all that was given is read */
    MESSAGE_LINE, /* a line of the head is in `line`: the first one, or a header */
    MESSAGE_HEAD, /* the head has ended */
    MESSAGE_BODY, /* a piece of the body */
    MESSAGE_END,  /* the message has ended; what follows is the next one */
    MESSAGE_LOST  /* it is not understood, and nothing after it will be */
};

struct message {
    int state;
    bool answer, chunked, endless, lost;
    bool told;           /* `line` was given out, and is not needed any more */
    uint32_t lines;      /* of the head so far */
    int status;          /* of an answer */
    int64_t left;        /* bytes of the body or of a chunk; -1: no length was given */
    char line[LINE_CAPACITY];
    size_t length;       /* of `line`; more than its capacity where it was longer */
};

void message_begin(struct message *message, bool answer);

/*
 * Reads on in `data`, takes what it has read off its beginning, and says what that was. `body` is set at MESSAGE_BODY.
 * Call it until it says MESSAGE_MORE or MESSAGE_LOST.
 */
enum message_step message_read(struct message *message, struct text *data, struct text *body);

/* The line at MESSAGE_LINE, as far as it is kept. */
struct text message_line(const struct message *message);

/* The value of a header line if that is its name, without blanks around it; false where it is another. */
bool header_value(struct text line, struct text name, struct text *value);

#endif
