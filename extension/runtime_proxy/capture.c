#include "capture.h"

#include "bytes.h"

void capture_begin(struct capture *capture, int64_t received_ns)
{
    capture->received_ns = received_ns;
    capture->length = 0;
    capture->outline = (struct outline){0};
    capture->prefix_length = capture->record_length = capture->suffix_length = 0;
    capture->in_record = false;
}

static size_t append(char *to, size_t length, size_t capacity, struct text text)
{
    size_t size = text.length < capacity - length ? text.length : capacity - length;
    memcpy(to + length, text.at, size);
    return length + size;
}

static struct text from(struct text text, size_t at)
{
    return (struct text){text.at + at, text.length - at};
}

/* Keeps the last bytes that fit. */
static void keep_suffix(struct capture *capture, struct text body)
{
    if (body.length > SUFFIX_CAPACITY)
        body = from(body, body.length - SUFFIX_CAPACITY);
    size_t kept = SUFFIX_CAPACITY - body.length;
    if (capture->suffix_length > kept) {
        memmove(capture->suffix, capture->suffix + (capture->suffix_length - kept), kept);
        capture->suffix_length = kept;
    }
    capture->suffix_length = append(capture->suffix, capture->suffix_length, SUFFIX_CAPACITY, body);
}

static void keep_last_record(struct capture *capture, struct text body)
{
    int64_t begins = capture->length <= OUTLINE_LIMIT ? outline_read(&capture->outline, body) : -1;
    if (begins >= 0) {
        capture->record_length = 0;
        capture->in_record = true;
        body = from(body, (size_t)begins);
    }
    if (capture->in_record)
        capture->record_length = append(capture->record, capture->record_length, RECORD_CAPACITY, body);
}

void capture_read(struct capture *capture, struct text body)
{
    capture->prefix_length = append(capture->prefix, capture->prefix_length, PREFIX_CAPACITY, body);
    keep_last_record(capture, body);
    keep_suffix(capture, body);
    capture->length += (int64_t)body.length;
}

static void write_number(struct writer *writer, int64_t number)
{
    write_text(writer, TEXT(" "));
    write_decimal(writer, number);
}

void capture_write(const struct capture *capture, struct text request_id, int64_t untold, struct writer *writer)
{
    bool whole = capture->length <= PREFIX_CAPACITY, counted = capture->length <= OUTLINE_LIMIT;
    size_t record = whole || !counted ? 0 : capture->record_length, suffix = whole ? 0 : capture->suffix_length;
    write_text(writer, TEXT("event "));
    write_text(writer, request_id);
    write_number(writer, capture->received_ns);
    write_number(writer, untold);
    write_number(writer, capture->length);
    write_number(writer, counted ? (int64_t)capture->outline.records : -1);
    write_number(writer, counted ? (int64_t)capture->outline.grouped : -1);
    write_number(writer, (int64_t)capture->prefix_length);
    write_number(writer, (int64_t)record);
    write_number(writer, (int64_t)suffix);
    write_text(writer, TEXT("\n"));
    write_text(writer, (struct text){capture->prefix, capture->prefix_length});
    write_text(writer, (struct text){capture->record, record});
    write_text(writer, (struct text){capture->suffix, suffix});
}
