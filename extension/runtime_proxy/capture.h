/*
 * What is kept of one event for the extension's Python, which makes facts of it when the function has answered: its
 * beginning, the beginning of its last record, and its end. Pure, but for the memory that the caller gives.
 */
#ifndef LAMBDASCOPE_CAPTURE_H
#define LAMBDASCOPE_CAPTURE_H

#include "outline.h"

enum {
    PREFIX_CAPACITY = 16 * 1024,
    RECORD_CAPACITY = 2 * 1024,
    SUFFIX_CAPACITY = 2 * 1024,
    OUTLINE_LIMIT = 1024 * 1024, /* the records of a longer event are not counted to their end */
    REQUEST_ID_CAPACITY = 64,
    CAPTURED_CAPACITY = 256 + PREFIX_CAPACITY + RECORD_CAPACITY + SUFFIX_CAPACITY
};

struct capture {
    int64_t received_ns; /* when the first byte of the answer came, CLOCK_REALTIME */
    int64_t length;      /* of the event */
    struct outline outline;
    size_t prefix_length, record_length, suffix_length;
    bool in_record; /* the last record so far began, and there is room for more of it */
    char prefix[PREFIX_CAPACITY], record[RECORD_CAPACITY], suffix[SUFFIX_CAPACITY];
};

void capture_begin(struct capture *capture, int64_t received_ns);
void capture_read(struct capture *capture, struct text body);
/*
 * Writes the message for Python: a line "event ID RECEIVED_NS UNTOLD LENGTH RECORDS GROUPED PREFIX RECORD SUFFIX", where the
 * last three are lengths, and the three pieces. An event that is wholly in its prefix has no other piece. RECORDS and
 * GROUPED are -1 where the event is too long to be counted. UNTOLD: how many events so far there was no message of.
 */
void capture_write(const struct capture *capture, struct text request_id, int64_t untold, struct writer *writer);

#endif
