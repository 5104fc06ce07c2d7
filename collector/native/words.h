/* A LowCardinality(String) column: each word once, and for each row which one it is. */
#ifndef LAMBDASCOPE_WORDS_H
#define LAMBDASCOPE_WORDS_H

#include "buffer.h"

struct word {
    uint64_t hash;
    size_t at, length; /* in `text` */
    uint32_t next;     /* the word that came after this one the last time */
};

struct words {
    struct buffer text;    /* the words as values of a String column */
    struct buffer entries; /* struct word, in the order of their first rows */
    struct buffer indexes; /* uint32_t, one per row */
    uint32_t *slots;       /* a hash table of indexes + 1 */
    uint32_t slot_count, last;
    uint64_t seed;         /* of the hash, so that nobody can send words that all fall into one slot */
};

static inline uint32_t words_count(const struct words *words)
{
    return (uint32_t)(words->entries.length / sizeof(struct word));
}

static inline size_t words_rows(const struct words *words)
{
    return words->indexes.length / sizeof(uint32_t);
}

/* A word by its number, until another is added. */
static inline struct bytes words_text(const struct words *words, uint32_t number)
{
    const struct word *word = (const struct word *)words->entries.at + number;
    return (struct bytes){words->text.at + word->at, word->length};
}

/* Adds a row. */
void words_put(struct words *words, struct bytes word);
/* A word that many rows share, as those of a resource its URL: to compare it each time could take very long. */
struct same {
    bool put;
    size_t row; /* where it was put */
};
void words_put_same(struct words *words, struct bytes word, struct same *same);
/* Adds `count` rows again that began at row `first`. */
void words_put_again(struct words *words, size_t first, size_t count);
/* Makes the indexes as narrow as their number allows: of 1, 2 or 4 bytes. Returns ClickHouse's number of that type
 * (SerializationLowCardinality: 0, 1, 2). No rows can be added any more. */
uint64_t words_narrow(struct words *words);
/* Back to no rows, in the same memory. */
void words_clear(struct words *words, uint64_t seed);
void words_free(struct words *words);

#endif
