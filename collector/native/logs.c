#include "decoder.h"

/* Columns of otel_logs, in the order of collector/otlp/logs.py. */
enum {
    TIMESTAMP,
    TRACE_ID,
    SPAN_ID,
    TRACE_FLAGS,
    SEVERITY_TEXT,
    SEVERITY_NUMBER,
    SERVICE_NAME,
    BODY,
    RESOURCE_SCHEMA_URL,
    RESOURCE_ATTRIBUTES,
    SCOPE_SCHEMA_URL,
    SCOPE_NAME,
    SCOPE_VERSION,
    SCOPE_ATTRIBUTES,
    LOG_ATTRIBUTES,
    EVENT_NAME,
    COLUMNS,
};

static const struct form FORMS[COLUMNS] = {
    [TIMESTAMP] = {FIXED, OF_ROWS},
    [TRACE_ID] = {STRINGS, OF_ROWS},
    [SPAN_ID] = {STRINGS, OF_ROWS},
    [TRACE_FLAGS] = {FIXED, OF_ROWS},
    [SEVERITY_TEXT] = {WORDS, OF_ROWS},
    [SEVERITY_NUMBER] = {FIXED, OF_ROWS},
    [SERVICE_NAME] = {WORDS, OF_ROWS},
    [BODY] = {STRINGS, OF_ROWS},
    [RESOURCE_SCHEMA_URL] = {WORDS, OF_ROWS},
    [RESOURCE_ATTRIBUTES] = {ATTRIBUTES, OF_ROWS},
    [SCOPE_SCHEMA_URL] = {WORDS, OF_ROWS},
    [SCOPE_NAME] = {STRINGS, OF_ROWS},
    [SCOPE_VERSION] = {WORDS, OF_ROWS},
    [SCOPE_ATTRIBUTES] = {ATTRIBUTES, OF_ROWS},
    [LOG_ATTRIBUTES] = {ATTRIBUTES, OF_ROWS},
    [EVENT_NAME] = {STRINGS, OF_ROWS},
};

struct record {
    uint64_t time, observed_time;
    struct bytes severity_text, trace_id, span_id, event_name;
    int32_t severity_number;
    uint32_t flags;
    struct value body;
    bool has_body;
};

static bool read_fields(struct bytes message, struct record *record)
{
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        switch (field.tag) {
        case TAG(1, FIXED64):
            record->time = field.number;
            break;
        case TAG(2, VARINT):
            record->severity_number = (int32_t)(uint32_t)field.number;
            break;
        case TAG(3, LENGTH):
            record->severity_text = field.bytes;
            break;
        case TAG(5, LENGTH):
            if (record->has_body || !read_value(field.bytes, &record->body))
                return false;
            record->has_body = true;
            break;
        case TAG(8, FIXED32):
            record->flags = (uint32_t)field.number;
            break;
        case TAG(9, LENGTH):
            record->trace_id = field.bytes;
            break;
        case TAG(10, LENGTH):
            record->span_id = field.bytes;
            break;
        case TAG(11, FIXED64):
            record->observed_time = field.number;
            break;
        case TAG(12, LENGTH):
            record->event_name = field.bytes;
            break;
        }
    }
    return !reader.bad;
}

static uint64_t record_time(const struct record *record)
{
    return time_of(record->time != 0 ? record->time : record->observed_time);
}

static uint8_t within_byte(int32_t number)
{
    return (uint8_t)(number < 0 ? 0 : number > UINT8_MAX ? UINT8_MAX : number);
}

/* otel_logs is ordered by periods of five minutes, ServiceName and Timestamp. */
static struct bytes find_record_key(struct item *item)
{
    static const uint64_t PERIOD_NS = 300000000000;
    struct record record = {0};
    struct reader reader = read_message(item->message);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(1, FIXED64))
            record.time = field.number;
        else if (field.tag == TAG(11, FIXED64))
            record.observed_time = field.number;
    }
    item->time = record_time(&record);
    item->period = item->time / PERIOD_NS;
    return (struct bytes){0};
}

static bool read_record(struct bytes message, struct decoder *decoder)
{
    struct column *columns = decoder->columns;
    struct scope *scope = decoder->scope;
    struct record record = {0};
    if (!read_fields(message, &record) || !read_attributes(message, TAG(6, LENGTH), &decoder->own_pairs))
        return false;
    decoder->block.rows++;
    put_uint64(&columns[TIMESTAMP].values, record_time(&record));
    put_hexadecimal(&columns[TRACE_ID].values, record.trace_id);
    put_hexadecimal(&columns[SPAN_ID].values, record.span_id);
    put_byte(&columns[TRACE_FLAGS].values, (uint8_t)record.flags); /* the W3C flags; the other bits are reserved */
    words_put(&columns[SEVERITY_TEXT].words, record.severity_text);
    put_byte(&columns[SEVERITY_NUMBER].values, within_byte(record.severity_number));
    words_put_same(&columns[RESOURCE_SCHEMA_URL].words, decoder->resource->schema_url, &decoder->resource->url);
    words_put_same(&columns[SCOPE_SCHEMA_URL].words, scope->schema_url, &scope->url);
    put_string(&columns[SCOPE_NAME].values, scope->name);
    words_put_same(&columns[SCOPE_VERSION].words, scope->version, &scope->versioned);
    put_string(&columns[EVENT_NAME].values, record.event_name);
    return put_value(&columns[BODY].values, &record.body, &decoder->scratch) &&
           put_resource(&columns[SERVICE_NAME], &columns[RESOURCE_ATTRIBUTES], decoder) &&
           put_scope(&columns[SCOPE_ATTRIBUTES], decoder) &&
           attributes_put(&columns[LOG_ATTRIBUTES].attributes, &decoder->own_pairs, &decoder->scratch);
}

static const struct table TABLE = {find_record_key, read_record, COLUMNS, FORMS};

struct decoder *lambdascope_logs(size_t max_bytes)
{
    return decoder_new(&TABLE, max_bytes);
}
