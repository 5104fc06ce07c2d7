/* One HTTP/1.1 message in a bounded buffer (RFC 9112). Pure: no system call and no memory of its own. */
#ifndef LAMBDASCOPE_HTTP_H
#define LAMBDASCOPE_HTTP_H

#include "text.h"

enum http_progress {
    HTTP_MORE, /* read on */
    HTTP_DONE, /* the answer is whole */
    HTTP_BAD   /* it never will be: not HTTP, contradictory, or cut off */
};

struct http_answer {
    int status;
    bool reusable;          /* another request may follow on this connection */
    struct text identifier; /* the header Lambda-Extension-Identifier; empty where there is none */
    struct text body;       /* chunks are joined */
};

/*
 * Reads the answer at the beginning of `buffer`. Call it again with the same buffer and more in it as long as it says
 * HTTP_MORE; only when it says HTTP_DONE is `answer` filled, with texts that point into the buffer (whose chunks have then
 * been moved together). `ended`: the peer has closed its side, which ends a body of undeclared length.
 */
enum http_progress http_read(char *buffer, size_t length, bool ended, struct http_answer *answer);

struct http_request {
    bool close; /* the sender wants the connection closed after the answer */
    struct text body;
    size_t length; /* of the whole request: what follows belongs to the next one */
};

/*
 * Reads the request at the beginning of `buffer`, if it is of the plain kind that telemetry comes in: POST or PUT, with a
 * Content-Length and no expectations. HTTP_BAD: it is none of these, which does not mean that it is wrong.
 */
enum http_progress http_read_request(const char *buffer, size_t length, struct http_request *request);

#endif
