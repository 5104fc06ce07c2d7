#include "column.h"

/* Bits of SerializationLowCardinality: the words stand in front of the indexes, and replace those of a block before. */
static const uint64_t WORDS_FIRST = 1 << 9, NEW_WORDS = 1 << 10;

/* SerializationLowCardinality: SharedDictionariesWithAdditionalKeys. */
static const uint64_t WORDS_VERSION = 1;

static void add_piece(struct block *block, uint64_t column, const void *at, size_t length)
{
    if (length != 0)
        block->pieces[block->piece_count++] = (struct piece){at, length, column};
}

static void add_buffer(struct block *block, uint64_t column, const struct buffer *buffer)
{
    add_piece(block, column, buffer->at, buffer->length);
}

static void add_words(struct block *block, uint64_t number, struct column *column, struct words *words)
{
    column->rows = words_rows(words);
    if (column->rows == 0)
        return;
    column->head[0] = words_narrow(words) | WORDS_FIRST | NEW_WORDS;
    column->head[1] = words_count(words);
    add_piece(block, number, column->head, sizeof column->head);
    add_buffer(block, number, &words->text);
    add_piece(block, number, &column->rows, sizeof column->rows);
    add_buffer(block, number, &words->indexes);
}

void column_pieces(struct column *column, const struct lists *lists, uint64_t number, struct block *block)
{
    enum shape shape = column->form.shape;
    if (shape == WORDS || shape == ATTRIBUTES)
        add_piece(block, number, &WORDS_VERSION, sizeof WORDS_VERSION);
    if (column->form.list != OF_ROWS)
        add_buffer(block, number, &lists[column->form.list].ends);
    switch (shape) {
    case FIXED:
    case STRINGS:
        add_buffer(block, number, &column->values);
        break;
    case WORDS:
        add_words(block, number, column, &column->words);
        break;
    case ATTRIBUTES:
        add_buffer(block, number, &column->attributes.ends);
        add_words(block, number, column, &column->attributes.keys);
        add_buffer(block, number, &column->attributes.values);
        break;
    }
}

void column_clear(struct column *column, uint64_t seed)
{
    column->values.length = 0;
    words_clear(&column->words, seed);
    attributes_clear(&column->attributes, seed);
}

void column_free(struct column *column)
{
    buffer_free(&column->values);
    words_free(&column->words);
    attributes_free(&column->attributes);
}
