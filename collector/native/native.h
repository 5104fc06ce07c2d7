/* OTLP requests as one block of ClickHouse's Native format: what a caller may use. */
#ifndef LAMBDASCOPE_NATIVE_H
#define LAMBDASCOPE_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

/* The bytes of `count` requests. The seed is one that no sender can know: where words are put depends on it. */
struct batch {
    const uint8_t *const *bodies;
    const size_t *lengths;
    size_t count;
    uint64_t seed;
};

struct piece {
    const void *at;
    uint64_t length;
    uint64_t column; /* whose it is; columns come in order, and all of a column's pieces together */
};

/* A block without the names and types of its columns. ``collector/native/library.py`` has the same layouts. */
struct block {
    uint64_t rows;
    uint64_t piece_count;
    struct piece *pieces;
};

struct decoder;

/* A decoder of ExportTraceServiceRequests to rows of otel_traces, which holds at most so many bytes at once; NULL where
 * there is no memory. */
EXPORTED struct decoder *lambdascope_traces(size_t max_bytes);
/* Likewise of ExportLogsServiceRequests to rows of otel_logs. */
EXPORTED struct decoder *lambdascope_logs(size_t max_bytes);
/* The rows of a batch, until the next one is read; NULL for what is left to Python as a whole. Bodies need not be valid. */
EXPORTED const struct block *lambdascope_read(struct decoder *decoder, const struct batch *batch);
/* What the decoder holds. */
EXPORTED size_t lambdascope_bytes(const struct decoder *decoder);
/* How many items a message of the first of these types holds; -1 for what is left to Python. */
struct type;
EXPORTED int64_t lambdascope_count(const struct type *types, const uint8_t *message, size_t length);
/* What was built: a digest of the sources. */
EXPORTED const char *lambdascope_sources(void);
EXPORTED void lambdascope_free(struct decoder *decoder);

#endif
