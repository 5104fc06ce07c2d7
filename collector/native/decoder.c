#include "decoder.h"

#include <stdlib.h>

#ifndef LAMBDASCOPE_SOURCES
#define LAMBDASCOPE_SOURCES ""
#endif

/* Fields 1 and 3 of a ResourceSpans, ScopeSpans, ResourceLogs or ScopeLogs: what stands beside its list, field 2. */
struct head {
    struct bytes first; /* the resource or scope */
    struct bytes schema_url;
};

/* False for what is left to Python: a resource or scope that comes in two parts. */
static bool read_head(struct bytes message, struct head *head)
{
    *head = (struct head){0};
    bool found = false;
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(1, LENGTH)) {
            if (found)
                return false;
            found = true;
            head->first = field.bytes;
        } else if (field.tag == TAG(3, LENGTH)) {
            head->schema_url = field.bytes;
        }
    }
    return !reader.bad;
}

bool read_attributes(struct bytes message, uint32_t tag, struct pairs *pairs)
{
    pairs->list.length = 0;
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field))
        if (field.tag == tag && !pairs_add(pairs, field.bytes))
            return false;
    pairs_sort(pairs);
    return !reader.bad;
}

/* The text of service.name, which may be of any type. */
static bool put_service(struct words *words, const struct pairs *pairs, struct buffer *scratch)
{
    const struct value *value = pairs_find(pairs, BYTES("service.name"));
    struct bytes name = {0};
    if (value != NULL && value->kind == KIND_STRING) {
        name = value->bytes;
    } else if (value != NULL) {
        scratch->length = 0;
        if (!put_text(scratch, value))
            return false;
        name = (struct bytes){scratch->at, scratch->length};
    }
    words_put(words, name);
    return true;
}

bool put_resource(struct column *service, struct column *attributes, struct decoder *decoder)
{
    struct resource *resource = &decoder->resource;
    if (resource->service.put) {
        words_put_again(&service->words, resource->service.row, 1);
    } else {
        resource->service = (struct same){true, words_rows(&service->words)};
        if (!put_service(&service->words, &decoder->resource_pairs, &decoder->scratch))
            return false;
    }
    return attributes_put_row(&attributes->attributes, &resource->row, &decoder->resource_pairs, &decoder->scratch);
}

void put_time(struct buffer *to, uint64_t unix_nano)
{
    put_uint64(to, unix_nano < INT64_MAX ? unix_nano : INT64_MAX);
}

struct decoder *decoder_new(const struct table *table, size_t max_bytes)
{
    struct decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL)
        return NULL;
    decoder->table = table;
    decoder->max_bytes = decoder->bytes_left = max_bytes;
    decoder->columns = calloc(table->columns, sizeof *decoder->columns);
    decoder->block.pieces = calloc(table->columns * MOST_PIECES, sizeof *decoder->block.pieces);
    if (decoder->columns == NULL || decoder->block.pieces == NULL) {
        lambdascope_free(decoder);
        return NULL;
    }
    for (size_t i = 0; i < table->columns; i++)
        decoder->columns[i].form = table->forms[i];
    return decoder;
}

static void clear(struct decoder *decoder, uint64_t seed)
{
    decoder->block.rows = decoder->block.piece_count = 0;
    for (size_t i = 0; i < decoder->table->columns; i++)
        column_clear(&decoder->columns[i], seed);
    for (size_t i = 0; i < LISTS; i++) {
        decoder->lists[i].elements = 0;
        decoder->lists[i].ends.length = 0;
    }
}

static bool begin_resource(const struct head *head, struct decoder *decoder)
{
    decoder->resource = (struct resource){.schema_url = head->schema_url};
    return read_attributes(head->first, TAG(1, LENGTH), &decoder->resource_pairs);
}

static bool begin_scope(const struct head *head, struct decoder *decoder)
{
    struct scope *scope = &decoder->scope;
    *scope = (struct scope){.schema_url = head->schema_url};
    struct reader reader = read_message(head->first);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(1, LENGTH))
            scope->name = field.bytes;
        else if (field.tag == TAG(2, LENGTH))
            scope->version = field.bytes;
    }
    return !reader.bad && (!decoder->table->has_scope_attributes ||
                           read_attributes(head->first, TAG(3, LENGTH), &decoder->scope_pairs));
}

typedef bool begin(const struct head *head, struct decoder *decoder);

/* What stands beside a list, and then the list. */
static bool read_list(struct bytes message, struct decoder *decoder, begin *begin, read_item *read)
{
    struct head head;
    if (!read_head(message, &head) || !begin(&head, decoder))
        return false;
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field))
        if (field.tag == TAG(2, LENGTH) && !read(field.bytes, decoder))
            return false;
    return true;
}

static bool read_scope(struct bytes message, struct decoder *decoder)
{
    return read_list(message, decoder, begin_scope, decoder->table->read);
}

static bool read_resource(struct bytes message, struct decoder *decoder)
{
    return read_list(message, decoder, begin_resource, read_scope);
}

static bool read_requests(struct decoder *decoder, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct reader reader = read_message((struct bytes){batch->bodies[i], batch->lengths[i]});
        struct field field;
        while (next_field(&reader, &field))
            if (field.tag == TAG(1, LENGTH) && (!read_resource(field.bytes, decoder) || memory.out))
                return false;
        if (reader.bad)
            return false;
    }
    return true;
}

const struct block *lambdascope_read(struct decoder *decoder, const struct batch *batch)
{
    memory = (struct memory){decoder->bytes_left, false};
    clear(decoder, batch->seed);
    bool done = read_requests(decoder, batch);
    decoder->bytes_left = memory.left;
    if (!done)
        return NULL;
    for (size_t i = 0; i < decoder->table->columns; i++)
        column_pieces(&decoder->columns[i], decoder->lists, i, &decoder->block);
    return &decoder->block;
}

size_t lambdascope_bytes(const struct decoder *decoder)
{
    return decoder->max_bytes - decoder->bytes_left;
}

const char *lambdascope_sources(void)
{
    return LAMBDASCOPE_SOURCES;
}

void lambdascope_free(struct decoder *decoder)
{
    for (size_t i = 0; decoder->columns != NULL && i < decoder->table->columns; i++)
        column_free(&decoder->columns[i]);
    for (size_t i = 0; i < LISTS; i++)
        buffer_free(&decoder->lists[i].ends);
    buffer_free(&decoder->resource_pairs.list);
    buffer_free(&decoder->scope_pairs.list);
    buffer_free(&decoder->own_pairs.list);
    buffer_free(&decoder->scratch);
    free(decoder->columns);
    free(decoder->block.pieces);
    free(decoder);
}
