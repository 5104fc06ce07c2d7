/* The columns of a table, and the pieces of memory that they are in ClickHouse's Native format. */
#ifndef LAMBDASCOPE_COLUMN_H
#define LAMBDASCOPE_COLUMN_H

#include "attributes.h"
#include "native.h"

enum shape { FIXED, STRINGS, WORDS, ATTRIBUTES };

/* What a column's values are elements of: each is a row, or an Array shares its ends with others beside it. */
enum list { OF_ROWS, OF_FIRST_LIST, OF_SECOND_LIST, LISTS };

struct form {
    enum shape shape;
    enum list list;
};

/* Array columns that are nested beside each other: elements up to each row. */
struct lists {
    struct buffer ends; /* uint64_t, one per row */
    uint64_t elements;
};

struct column {
    struct form form;
    struct buffer values; /* of FIXED and STRINGS */
    struct words words;
    struct attributes attributes;
    uint64_t head[2], rows; /* of the words, as written */
};

enum { MOST_PIECES = 8 }; /* of a column: of attributes in a list */

/* Adds the pieces of a column, at most MOST_PIECES. No rows can be added any more. */
void column_pieces(struct column *column, const struct lists *lists, uint64_t number, struct block *block);
/* Back to no rows, in the same memory. */
void column_clear(struct column *column, uint64_t seed);
void column_free(struct column *column);

/* Ends the row of a list with as many elements as were added since the row before. */
static inline void lists_put(struct lists *lists, uint64_t elements)
{
    lists->elements += elements;
    put_uint64(&lists->ends, lists->elements);
}

#endif
