#include "value.h"

#include "number.h"
#include "wire.h"

bool read_value(struct bytes message, struct value *value)
{
    *value = (struct value){0};
    struct reader reader = read_message(message);
    struct field field = {0};
    while (next_field(&reader, &field)) {
        if (value->kind != KIND_NONE)
            return false;
        switch (field.tag) {
        case TAG(1, LENGTH):
            value->kind = KIND_STRING;
            break;
        case TAG(2, VARINT):
            value->kind = KIND_BOOL;
            break;
        case TAG(3, VARINT):
            value->kind = KIND_INT;
            break;
        case TAG(4, FIXED64):
            value->kind = KIND_DOUBLE;
            break;
        case TAG(5, LENGTH):
            value->kind = KIND_ARRAY;
            break;
        case TAG(7, LENGTH):
            value->kind = KIND_BYTES;
            break;
        default:
            return false;
        }
        value->number = field.number;
        value->bytes = field.bytes;
    }
    return !reader.bad;
}

/* True where JSON needs no escapes. */
static bool is_plain(struct bytes string)
{
    for (size_t i = 0; i < string.length; i++)
        if (string.at[i] < 0x20 || string.at[i] == '"' || string.at[i] == '\\')
            return false;
    return true;
}

static struct bytes bool_text(const struct value *value)
{
    return value->number != 0 ? BYTES("true") : BYTES("false");
}

static bool put_element(struct buffer *to, const struct value *value)
{
    switch (value->kind) {
    case KIND_NONE:
        put(to, "null", 4);
        return true;
    case KIND_STRING:
        put_byte(to, '"');
        put(to, value->bytes.at, value->bytes.length);
        put_byte(to, '"');
        return is_plain(value->bytes);
    case KIND_BOOL:
        put(to, bool_text(value).at, bool_text(value).length);
        return true;
    case KIND_INT:
        put_decimal(to, (int64_t)value->number);
        return true;
    default:
        return false;
    }
}

static bool put_list(struct buffer *to, struct bytes message)
{
    struct reader reader = read_message(message);
    struct field field;
    struct value element;
    uint8_t before = '[';
    while (next_field(&reader, &field)) {
        if (field.tag != TAG(1, LENGTH))
            continue;
        put_byte(to, before);
        before = ',';
        if (!read_value(field.bytes, &element) || !put_element(to, &element))
            return false;
    }
    if (before == '[')
        put_byte(to, before);
    put_byte(to, ']');
    return !reader.bad;
}

bool put_text(struct buffer *to, const struct value *value)
{
    switch (value->kind) {
    case KIND_NONE:
        return true;
    case KIND_STRING:
        put(to, value->bytes.at, value->bytes.length);
        return true;
    case KIND_BOOL:
        put(to, bool_text(value).at, bool_text(value).length);
        return true;
    case KIND_INT:
        put_decimal(to, (int64_t)value->number);
        return true;
    case KIND_DOUBLE:
        return put_double(to, value->number);
    case KIND_BYTES:
        put_base64(to, value->bytes);
        return true;
    case KIND_ARRAY:
        return put_list(to, value->bytes);
    }
    return false;
}

bool put_value(struct buffer *to, const struct value *value, struct buffer *scratch)
{
    if (value->kind == KIND_STRING || value->kind == KIND_BOOL) {
        put_string(to, value->kind == KIND_STRING ? value->bytes : bool_text(value));
        return true;
    }
    scratch->length = 0;
    bool known = put_text(scratch, value);
    put_string(to, (struct bytes){scratch->at, scratch->length});
    return known;
}
