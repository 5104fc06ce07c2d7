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

/* The last field of this tag, or nothing. False where the message is not a good one. */
static bool find_bytes(struct bytes message, uint32_t tag, struct bytes *bytes)
{
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field))
        if (field.tag == tag)
            *bytes = field.bytes;
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
    struct resource *resource = decoder->resource;
    if (resource->service.put) {
        words_put_again(&service->words, resource->service.row, 1);
    } else {
        resource->service = (struct same){true, words_rows(&service->words)};
        if (!read_attributes(resource->message, TAG(1, LENGTH), &decoder->shared_pairs) ||
            !put_service(&service->words, &decoder->shared_pairs, &decoder->scratch))
            return false;
    }
    return attributes_put_row(&attributes->attributes, &resource->row, &decoder->shared_pairs, &decoder->scratch);
}

bool put_scope(struct column *column, struct decoder *decoder)
{
    struct scope *scope = decoder->scope;
    if (!scope->row.put && !read_attributes(scope->message, TAG(3, LENGTH), &decoder->shared_pairs))
        return false;
    return attributes_put_row(&column->attributes, &scope->row, &decoder->shared_pairs, &decoder->scratch);
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
    decoder->resources.length = decoder->scopes.length = 0;
    order_clear(&decoder->order, seed);
    for (size_t i = 0; i < decoder->table->columns; i++)
        column_clear(&decoder->columns[i], seed);
    for (size_t i = 0; i < LISTS; i++) {
        decoder->lists[i].elements = 0;
        decoder->lists[i].ends.length = 0;
    }
}

/* The text of service.name as far as rows are put in order by it: nothing, where it is no string. */
static struct bytes find_service(struct bytes resource)
{
    struct bytes service = {0};
    struct reader reader = read_message(resource);
    struct field field;
    while (next_field(&reader, &field)) {
        struct bytes key = {0}, value = {0}, text = {0};
        if (field.tag != TAG(1, LENGTH))
            continue;
        find_bytes(field.bytes, TAG(1, LENGTH), &key);
        if (!bytes_equal(key, BYTES("service.name")))
            continue;
        find_bytes(field.bytes, TAG(2, LENGTH), &value);
        find_bytes(value, TAG(1, LENGTH), &text);
        service = text;
    }
    return service;
}

static bool begin_resource(const struct head *head, struct decoder *decoder)
{
    struct resource resource = {.message = head->first, .schema_url = head->schema_url};
    decoder->service = order_word(&decoder->order.services, find_service(head->first));
    put(&decoder->resources, &resource, sizeof resource);
    return true;
}

static bool begin_scope(const struct head *head, struct decoder *decoder)
{
    struct scope scope = {.message = head->first, .schema_url = head->schema_url};
    bool good = find_bytes(head->first, TAG(1, LENGTH), &scope.name) &&
                find_bytes(head->first, TAG(2, LENGTH), &scope.version);
    put(&decoder->scopes, &scope, sizeof scope);
    return good;
}

static bool meet_item(struct bytes message, struct decoder *decoder)
{
    struct item item = {
        .message = message,
        .resource = (uint32_t)(decoder->resources.length / sizeof(struct resource) - 1),
        .scope = (uint32_t)(decoder->scopes.length / sizeof(struct scope) - 1),
        .service = decoder->service,
    };
    item.name = order_word(&decoder->order.names, decoder->table->find_key(&item));
    order_add(&decoder->order, &item);
    return !memory.out;
}

typedef bool begin(const struct head *head, struct decoder *decoder);
typedef bool meet(struct bytes message, struct decoder *decoder);

/* What stands beside a list, and then the list. */
static bool meet_list(struct bytes message, struct decoder *decoder, begin *begin, meet *meet)
{
    struct head head;
    if (!read_head(message, &head) || !begin(&head, decoder))
        return false;
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field))
        if (field.tag == TAG(2, LENGTH) && !meet(field.bytes, decoder))
            return false;
    return true;
}

static bool meet_scope(struct bytes message, struct decoder *decoder)
{
    return meet_list(message, decoder, begin_scope, meet_item);
}

static bool meet_resource(struct bytes message, struct decoder *decoder)
{
    return meet_list(message, decoder, begin_resource, meet_scope);
}

static bool meet_requests(struct decoder *decoder, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct reader reader = read_message((struct bytes){batch->bodies[i], batch->lengths[i]});
        struct field field;
        while (next_field(&reader, &field))
            if (field.tag == TAG(1, LENGTH) && !meet_resource(field.bytes, decoder))
                return false;
        if (reader.bad)
            return false;
    }
    return !memory.out;
}

static bool read_items(struct decoder *decoder)
{
    for (size_t i = 0; i < order_count(&decoder->order); i++) {
        const struct item *item = order_item(&decoder->order, i);
        decoder->resource = (struct resource *)decoder->resources.at + item->resource;
        decoder->scope = (struct scope *)decoder->scopes.at + item->scope;
        if (!decoder->table->read(item->message, decoder) || memory.out)
            return false;
    }
    return true;
}

const struct block *lambdascope_read(struct decoder *decoder, const struct batch *batch)
{
    memory = (struct memory){decoder->bytes_left, false};
    clear(decoder, batch->seed);
    bool done = meet_requests(decoder, batch) && order_sort(&decoder->order) && read_items(decoder);
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
    order_free(&decoder->order);
    buffer_free(&decoder->resources);
    buffer_free(&decoder->scopes);
    buffer_free(&decoder->shared_pairs.list);
    buffer_free(&decoder->own_pairs.list);
    buffer_free(&decoder->scratch);
    free(decoder->columns);
    free(decoder->block.pieces);
    free(decoder);
}
