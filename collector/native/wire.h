/* Protocol buffers' wire format (protobuf.dev/programming-guides/encoding), read field by field and never past its end. */
#ifndef LAMBDASCOPE_WIRE_H
#define LAMBDASCOPE_WIRE_H

#include "buffer.h"

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* How a field of this number and wire type begins. A known number of another type is a field that nobody knows. */
#define TAG(number, wire) ((uint32_t)(number) << 3 | (uint32_t)(wire))

struct field {
    uint32_t tag;
    uint64_t number;    /* of VARINT, FIXED64 and FIXED32 */
    struct bytes bytes; /* of LENGTH */
};

struct reader {
    const uint8_t *at, *end;
    bool bad; /* The bytes are no message, or hold a group, which nothing of OTLP is. */
};

static inline struct reader read_message(struct bytes message)
{
    return (struct reader){message.at, message.length != 0 ? message.at + message.length : message.at, false};
}

static inline bool reader_turns_bad(struct reader *reader)
{
    reader->bad = true;
    return false;
}

bool read_long_varint(struct reader *reader, uint64_t *number);

static inline bool read_varint(struct reader *reader, uint64_t *number)
{
    if (reader->at == reader->end || *reader->at > 0x7F)
        return read_long_varint(reader, number);
    *number = *reader->at++;
    return true;
}

static inline bool read_fixed(struct reader *reader, uint64_t *number, size_t size)
{
    if ((size_t)(reader->end - reader->at) < size)
        return reader_turns_bad(reader);
    *number = 0;
    memcpy(number, reader->at, size);
    reader->at += size;
    return true;
}

static inline bool read_bytes(struct reader *reader, struct bytes *bytes)
{
    uint64_t length;
    if (!read_varint(reader, &length))
        return false;
    if (length > (uint64_t)(reader->end - reader->at))
        return reader_turns_bad(reader);
    *bytes = (struct bytes){reader->at, (size_t)length};
    reader->at += length;
    return true;
}

/* What stands behind a field's tag. */
static inline bool read_content(struct reader *reader, struct field *field)
{
    switch (field->tag & 7) {
    case LENGTH:
        return read_bytes(reader, &field->bytes);
    case VARINT:
        return read_varint(reader, &field->number);
    case FIXED64:
        return read_fixed(reader, &field->number, sizeof(uint64_t));
    case FIXED32:
        return read_fixed(reader, &field->number, sizeof(uint32_t));
    default:
        return reader_turns_bad(reader);
    }
}

/* The next field; false at the end, and where the reader turned bad. */
static inline bool next_field(struct reader *reader, struct field *field)
{
    uint64_t tag;
    if (reader->at == reader->end || !read_varint(reader, &tag))
        return false;
    if (tag > UINT32_MAX || tag < TAG(1, 0))
        return reader_turns_bad(reader);
    field->tag = (uint32_t)tag;
    return read_content(reader, field);
}

#endif
