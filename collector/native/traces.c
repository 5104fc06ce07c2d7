#include "decoder.h"

/* Columns of otel_traces, in the order of collector/otlp/traces.py. */
enum {
    TIMESTAMP,
    TRACE_ID,
    SPAN_ID,
    PARENT_SPAN_ID,
    TRACE_STATE,
    SPAN_NAME,
    SPAN_KIND,
    SERVICE_NAME,
    RESOURCE_ATTRIBUTES,
    SCOPE_NAME,
    SCOPE_VERSION,
    SPAN_ATTRIBUTES,
    DURATION,
    STATUS_CODE,
    STATUS_MESSAGE,
    EVENTS_TIMESTAMP,
    EVENTS_NAME,
    EVENTS_ATTRIBUTES,
    LINKS_TRACE_ID,
    LINKS_SPAN_ID,
    LINKS_TRACE_STATE,
    LINKS_ATTRIBUTES,
    COLUMNS,
};

static const struct form FORMS[COLUMNS] = {
    [TIMESTAMP] = {FIXED, OF_ROWS},
    [TRACE_ID] = {STRINGS, OF_ROWS},
    [SPAN_ID] = {STRINGS, OF_ROWS},
    [PARENT_SPAN_ID] = {STRINGS, OF_ROWS},
    [TRACE_STATE] = {STRINGS, OF_ROWS},
    [SPAN_NAME] = {WORDS, OF_ROWS},
    [SPAN_KIND] = {WORDS, OF_ROWS},
    [SERVICE_NAME] = {WORDS, OF_ROWS},
    [RESOURCE_ATTRIBUTES] = {ATTRIBUTES, OF_ROWS},
    [SCOPE_NAME] = {STRINGS, OF_ROWS},
    [SCOPE_VERSION] = {STRINGS, OF_ROWS},
    [SPAN_ATTRIBUTES] = {ATTRIBUTES, OF_ROWS},
    [DURATION] = {FIXED, OF_ROWS},
    [STATUS_CODE] = {WORDS, OF_ROWS},
    [STATUS_MESSAGE] = {STRINGS, OF_ROWS},
    [EVENTS_TIMESTAMP] = {FIXED, OF_FIRST_LIST},
    [EVENTS_NAME] = {WORDS, OF_FIRST_LIST},
    [EVENTS_ATTRIBUTES] = {ATTRIBUTES, OF_FIRST_LIST},
    [LINKS_TRACE_ID] = {STRINGS, OF_SECOND_LIST},
    [LINKS_SPAN_ID] = {STRINGS, OF_SECOND_LIST},
    [LINKS_TRACE_STATE] = {STRINGS, OF_SECOND_LIST},
    [LINKS_ATTRIBUTES] = {ATTRIBUTES, OF_SECOND_LIST},
};

struct span {
    struct bytes trace_id, span_id, parent_span_id, trace_state, name, status;
    uint64_t start, end;
    uint32_t kind;
    uint64_t events, links;
    bool has_status;
};

struct event {
    uint64_t time;
    struct bytes name;
};

struct link {
    struct bytes trace_id, span_id, trace_state;
};

static struct bytes kind_name(uint32_t kind)
{
    switch (kind) {
    case 1:
        return BYTES("Internal");
    case 2:
        return BYTES("Server");
    case 3:
        return BYTES("Client");
    case 4:
        return BYTES("Producer");
    case 5:
        return BYTES("Consumer");
    default:
        return BYTES("Unspecified");
    }
}

static struct bytes status_name(uint32_t code)
{
    switch (code) {
    case 1:
        return BYTES("Ok");
    case 2:
        return BYTES("Error");
    default:
        return BYTES("Unset");
    }
}

static bool read_event(struct bytes message, struct decoder *decoder)
{
    struct column *columns = decoder->columns;
    struct event event = {0};
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(1, FIXED64))
            event.time = field.number;
        else if (field.tag == TAG(2, LENGTH))
            event.name = field.bytes;
    }
    put_uint64(&columns[EVENTS_TIMESTAMP].values, time_of(event.time));
    words_put(&columns[EVENTS_NAME].words, event.name);
    return !reader.bad && read_attributes(message, TAG(3, LENGTH), &decoder->own_pairs) &&
           attributes_put(&columns[EVENTS_ATTRIBUTES].attributes, &decoder->own_pairs, &decoder->scratch);
}

static bool read_link(struct bytes message, struct decoder *decoder)
{
    struct column *columns = decoder->columns;
    struct link link = {0};
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(1, LENGTH))
            link.trace_id = field.bytes;
        else if (field.tag == TAG(2, LENGTH))
            link.span_id = field.bytes;
        else if (field.tag == TAG(3, LENGTH))
            link.trace_state = field.bytes;
    }
    put_hexadecimal(&columns[LINKS_TRACE_ID].values, link.trace_id);
    put_hexadecimal(&columns[LINKS_SPAN_ID].values, link.span_id);
    put_string(&columns[LINKS_TRACE_STATE].values, link.trace_state);
    return !reader.bad && read_attributes(message, TAG(4, LENGTH), &decoder->own_pairs) &&
           attributes_put(&columns[LINKS_ATTRIBUTES].attributes, &decoder->own_pairs, &decoder->scratch);
}

static bool put_status(struct bytes message, struct column *columns)
{
    struct bytes text = {0};
    uint32_t code = 0;
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(2, LENGTH))
            text = field.bytes;
        else if (field.tag == TAG(3, VARINT))
            code = (uint32_t)field.number;
    }
    words_put(&columns[STATUS_CODE].words, status_name(code));
    put_string(&columns[STATUS_MESSAGE].values, text);
    return !reader.bad;
}

/* The fields that hold one value, and the rows of what is nested, in one pass. */
static bool read_fields(struct bytes message, struct span *span, struct decoder *decoder)
{
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        switch (field.tag) {
        case TAG(1, LENGTH):
            span->trace_id = field.bytes;
            break;
        case TAG(2, LENGTH):
            span->span_id = field.bytes;
            break;
        case TAG(3, LENGTH):
            span->trace_state = field.bytes;
            break;
        case TAG(4, LENGTH):
            span->parent_span_id = field.bytes;
            break;
        case TAG(5, LENGTH):
            span->name = field.bytes;
            break;
        case TAG(6, VARINT):
            span->kind = (uint32_t)field.number;
            break;
        case TAG(7, FIXED64):
            span->start = field.number;
            break;
        case TAG(8, FIXED64):
            span->end = field.number;
            break;
        case TAG(11, LENGTH):
            span->events++;
            if (!read_event(field.bytes, decoder))
                return false;
            break;
        case TAG(13, LENGTH):
            span->links++;
            if (!read_link(field.bytes, decoder))
                return false;
            break;
        case TAG(15, LENGTH):
            if (span->has_status)
                return false;
            span->has_status = true;
            span->status = field.bytes;
            break;
        }
    }
    return !reader.bad;
}

/* otel_traces is ordered by ServiceName, SpanName and the second; within that by time serves as well. */
static struct bytes find_span_key(struct item *item)
{
    struct bytes name = {0};
    struct reader reader = read_message(item->message);
    struct field field;
    while (next_field(&reader, &field) && field.tag <= TAG(7, FIXED64)) {
        if (field.tag == TAG(5, LENGTH))
            name = field.bytes;
        else if (field.tag == TAG(7, FIXED64))
            item->time = time_of(field.number);
    }
    return name;
}

static bool read_span(struct bytes message, struct decoder *decoder)
{
    struct column *columns = decoder->columns;
    struct span span = {0};
    if (!read_fields(message, &span, decoder) || !read_attributes(message, TAG(9, LENGTH), &decoder->own_pairs))
        return false;
    decoder->block.rows++;
    put_uint64(&columns[TIMESTAMP].values, time_of(span.start));
    put_hexadecimal(&columns[TRACE_ID].values, span.trace_id);
    put_hexadecimal(&columns[SPAN_ID].values, span.span_id);
    put_hexadecimal(&columns[PARENT_SPAN_ID].values, span.parent_span_id);
    put_string(&columns[TRACE_STATE].values, span.trace_state);
    words_put(&columns[SPAN_NAME].words, span.name);
    words_put(&columns[SPAN_KIND].words, kind_name(span.kind));
    put_string(&columns[SCOPE_NAME].values, decoder->scope->name);
    put_string(&columns[SCOPE_VERSION].values, decoder->scope->version);
    put_uint64(&columns[DURATION].values, span.end > span.start ? span.end - span.start : 0);
    lists_put(&decoder->lists[OF_FIRST_LIST], span.events);
    lists_put(&decoder->lists[OF_SECOND_LIST], span.links);
    return put_resource(&columns[SERVICE_NAME], &columns[RESOURCE_ATTRIBUTES], decoder) &&
           attributes_put(&columns[SPAN_ATTRIBUTES].attributes, &decoder->own_pairs, &decoder->scratch) &&
           put_status(span.status, columns);
}

static const struct table TABLE = {find_span_key, read_span, COLUMNS, FORMS};

struct decoder *lambdascope_traces(size_t max_bytes)
{
    return decoder_new(&TABLE, max_bytes);
}
