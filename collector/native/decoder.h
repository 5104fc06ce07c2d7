/* What decoding spans and log records share: requests, resources, scopes, times. */
#ifndef LAMBDASCOPE_DECODER_H
#define LAMBDASCOPE_DECODER_H

#include "column.h"
#include "wire.h"

/* The resource that spans or records are of, while they are read. */
struct resource {
    struct bytes schema_url;
    struct row row;
    struct same service, url;
};

struct scope {
    struct bytes name, version, schema_url;
    struct row row; /* of its attributes */
    struct same url, versioned;
};

struct decoder;
/* Reads a Span or LogRecord. False for what is left to Python. */
typedef bool read_item(struct bytes item, struct decoder *decoder);

struct table {
    read_item *read;
    bool has_scope_attributes;
    size_t columns;
    const struct form *forms;
};

struct decoder {
    struct block block;
    const struct table *table;
    struct column *columns;
    struct lists lists[LISTS];
    struct resource resource;
    struct scope scope;
    struct pairs resource_pairs, scope_pairs, own_pairs; /* of what is read at the moment */
    struct buffer scratch;
    size_t max_bytes, bytes_left;
};

struct decoder *decoder_new(const struct table *table, size_t max_bytes);

/* The sorted attributes of a message, from its field of this tag. */
bool read_attributes(struct bytes message, uint32_t tag, struct pairs *pairs);
/* The columns ServiceName and ResourceAttributes of a row. */
bool put_resource(struct column *service, struct column *attributes, struct decoder *decoder);
/* Nanoseconds since the epoch as a DateTime64(9), which ends in the year 2262. */
void put_time(struct buffer *to, uint64_t unix_nano);

#endif
