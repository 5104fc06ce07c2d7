/* Whether bytes are a Protocol Buffers message of a known type, and how many items it holds: what a parser would find
 * out, without what a parser makes. */
#ifndef LAMBDASCOPE_COUNT_H
#define LAMBDASCOPE_COUNT_H

#include <stddef.h>
#include <stdint.h>

enum { FIELDS = 32 };

/* What has to be known of a field that has a length, by its number. Of all others their wire format says all. PARSED is
 * one that only a parser can tell, as are all of higher numbers. */
enum content { ANYTHING, TEXT, MESSAGE, ITEM, PARSED };

/* A type of messages. ``collector/native/count.py`` has the same layout. */
struct type {
    uint8_t content[FIELDS];
    uint8_t type[FIELDS]; /* of a MESSAGE or ITEM: its place among the types */
};

#endif
