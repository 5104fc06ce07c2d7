#include "buffer.h"

#include <stdlib.h>

enum { LEAST_CAPACITY = 256 };

_Thread_local struct memory memory;

bool buffer_grow(struct buffer *buffer, size_t more)
{
    size_t capacity = buffer->capacity + buffer->capacity / 2 + LEAST_CAPACITY;
    if (capacity - buffer->length < more)
        capacity = buffer->length + more;
    size_t taken = capacity - buffer->capacity;
    uint8_t *at = more <= memory.left && taken <= memory.left ? realloc(buffer->at, capacity) : NULL;
    if (at == NULL) {
        memory.out = true;
        return false;
    }
    memory.left -= taken;
    buffer->at = at;
    buffer->capacity = capacity;
    return true;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->at);
    *buffer = (struct buffer){0};
}

static void put_varint(struct buffer *buffer, uint64_t number)
{
    while (number > 0x7F) {
        put_byte(buffer, (uint8_t)(number | 0x80));
        number >>= 7;
    }
    put_byte(buffer, (uint8_t)number);
}

void put_string(struct buffer *buffer, struct bytes string)
{
    if (string.length > 0x7F) {
        put_varint(buffer, string.length);
        put(buffer, string.at, string.length);
        return;
    }
    uint8_t *place = buffer_take(buffer, 1 + string.length);
    if (place == NULL)
        return;
    place[0] = (uint8_t)string.length;
    if (string.length != 0)
        memcpy(place + 1, string.at, string.length);
}

void put_hexadecimal(struct buffer *buffer, struct bytes id)
{
    static const char DIGITS[] = "0123456789abcdef";
    put_varint(buffer, 2 * (uint64_t)id.length);
    uint8_t *place = buffer_take(buffer, 2 * id.length);
    if (place == NULL)
        return;
    for (size_t i = 0; i < id.length; i++) {
        *place++ = (uint8_t)DIGITS[id.at[i] >> 4];
        *place++ = (uint8_t)DIGITS[id.at[i] & 15];
    }
}

void put_base64(struct buffer *buffer, struct bytes bytes)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.length; i += 3) {
        size_t left = bytes.length - i;
        uint32_t three = (uint32_t)bytes.at[i] << 16;
        if (left > 1)
            three |= (uint32_t)bytes.at[i + 1] << 8;
        if (left > 2)
            three |= bytes.at[i + 2];
        uint8_t four[] = {
            (uint8_t)DIGITS[three >> 18],
            (uint8_t)DIGITS[three >> 12 & 63],
            left > 1 ? (uint8_t)DIGITS[three >> 6 & 63] : '=',
            left > 2 ? (uint8_t)DIGITS[three & 63] : '=',
        };
        put(buffer, four, sizeof four);
    }
}

void put_decimal(struct buffer *buffer, int64_t number)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (uint8_t)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (number < 0)
        digits[--at] = '-';
    put(buffer, digits + at, sizeof digits - at);
}
