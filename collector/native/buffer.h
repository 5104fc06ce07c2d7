/* Bytes that grow, and what is written into them. All of ClickHouse's Native format is little-endian, as this machine is. */
#ifndef LAMBDASCOPE_BUFFER_H
#define LAMBDASCOPE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A piece of somebody else's memory. */
struct bytes {
    const uint8_t *at;
    size_t length;
};

#define BYTES(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* In the order of ClickHouse's String. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common != 0 ? memcmp(a.at, b.at, common) : 0;
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

struct buffer {
    uint8_t *at;
    size_t length, capacity;
};

/* What buffers may still take from the heap, and whether one of them went without: what should have been written is left
 * out then. One per thread. */
struct memory {
    size_t left;
    bool out;
};
extern _Thread_local struct memory memory;

/* Makes the capacity at least `length + more`. */
bool buffer_grow(struct buffer *buffer, size_t more);
void buffer_free(struct buffer *buffer);

/* Takes the next `more` bytes, for the caller to fill; NULL where there is no memory. */
static inline uint8_t *buffer_take(struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->length < more && !buffer_grow(buffer, more))
        return NULL;
    uint8_t *place = buffer->at + buffer->length;
    buffer->length += more;
    return place;
}

static inline void put(struct buffer *buffer, const void *from, size_t length)
{
    uint8_t *place = buffer_take(buffer, length);
    if (place != NULL && length != 0)
        memcpy(place, from, length);
}

static inline void put_byte(struct buffer *buffer, uint8_t byte)
{
    put(buffer, &byte, sizeof byte);
}

static inline void put_uint32(struct buffer *buffer, uint32_t number)
{
    put(buffer, &number, sizeof number);
}

static inline void put_uint64(struct buffer *buffer, uint64_t number)
{
    put(buffer, &number, sizeof number);
}

/* A value of a String column: its length as a varint, then its bytes. */
void put_string(struct buffer *buffer, struct bytes string);
/* Likewise, each byte as two lower-case hexadecimal digits. */
void put_hexadecimal(struct buffer *buffer, struct bytes id);
/* Standard base64 with padding, without a length. */
void put_base64(struct buffer *buffer, struct bytes bytes);
void put_decimal(struct buffer *buffer, int64_t number);

#endif
