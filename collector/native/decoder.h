/* What decoding spans and log records share: requests, resources, scopes, times. */
#ifndef LAMBDASCOPE_DECODER_H
#define LAMBDASCOPE_DECODER_H

#include "column.h"
#include "order.h"
#include "wire.h"

/* What spans or records are of. */
struct resource {
    struct bytes message, schema_url;
    struct row row; /* of its attributes */
    struct same service, url;
};

struct scope {
    struct bytes message, name, version, schema_url;
    struct row row; /* of its attributes */
    struct same url, versioned;
};

struct decoder;
/* Finds the key of a Span or LogRecord, by which rows are put in order, as far as that is its own: the name, and times. */
typedef struct bytes find_key(struct item *item);
/* Adds the row of a Span or LogRecord. False for what is left to Python. */
typedef bool read_item(struct bytes message, struct decoder *decoder);

struct table {
    find_key *find_key;
    read_item *read;
    size_t columns;
    const struct form *forms;
};

struct decoder {
    struct block block;
    const struct table *table;
    struct column *columns;
    struct lists lists[LISTS];
    struct order order;
    struct buffer resources, scopes; /* struct resource, struct scope: all that were met */
    uint32_t service;                /* of the resource that was met last: its word's number */
    struct resource *resource;       /* of what is read at the moment */
    struct scope *scope;
    struct pairs shared_pairs, own_pairs;
    struct buffer scratch;
    size_t max_bytes, bytes_left;
};

struct decoder *decoder_new(const struct table *table, size_t max_bytes);

/* The sorted attributes of a message, from its field of this tag. */
bool read_attributes(struct bytes message, uint32_t tag, struct pairs *pairs);
/* Nanoseconds since the epoch as a DateTime64(9), which ends in the year 2262. */
static inline uint64_t time_of(uint64_t unix_nano)
{
    return unix_nano < INT64_MAX ? unix_nano : INT64_MAX;
}
/* The columns ServiceName and ResourceAttributes of a row. */
bool put_resource(struct column *service, struct column *attributes, struct decoder *decoder);
/* The column ScopeAttributes of a row. */
bool put_scope(struct column *column, struct decoder *decoder);

#endif
