/* Attributes: from OTLP's list of pairs to a Map(LowCardinality(String), String) with its keys in order. */
#ifndef LAMBDASCOPE_ATTRIBUTES_H
#define LAMBDASCOPE_ATTRIBUTES_H

#include "value.h"
#include "words.h"

struct pair {
    struct bytes key;
    struct value value;
    size_t place; /* among the pairs as they came */
};

/* The pairs of one message. */
struct pairs {
    struct buffer list; /* struct pair */
};

/* Adds what is in a KeyValue. False for what is left to Python. */
bool pairs_add(struct pairs *pairs, struct bytes message);
/* Puts the keys in order. Of a key that comes twice the last one stays. */
void pairs_sort(struct pairs *pairs);
/* Of sorted pairs; NULL where there is no such key. */
const struct value *pairs_find(const struct pairs *pairs, struct bytes key);

struct attributes {
    struct buffer ends; /* uint64_t, one per row: pairs up to it */
    struct words keys;
    struct buffer values;
};

/* Where a row is that comes again: the map of a resource in each of its spans. */
struct row {
    bool put;
    size_t first, count;          /* of its keys */
    size_t values_at, values_length;
};

/* Adds a row of sorted pairs. False for what is left to Python. */
bool attributes_put(struct attributes *attributes, const struct pairs *pairs, struct buffer *scratch);
/* Likewise, by copying the row where it was put before. */
bool attributes_put_row(struct attributes *attributes, struct row *row, const struct pairs *pairs,
                        struct buffer *scratch);
/* Back to no rows, in the same memory. */
void attributes_clear(struct attributes *attributes, uint64_t seed);
void attributes_free(struct attributes *attributes);

#endif
