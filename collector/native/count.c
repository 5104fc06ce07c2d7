#include "count.h"

#include "native.h"
#include "wire.h"

/* Google's parser ends at a hundred levels; of so many fewer nobody has to know how it counts them. */
enum { LEVELS = 64 };

/* What fits into so few bytes is read alike by every parser. */
enum { TAG_BYTES = 2, LENGTH_BYTES = 4 };

static const int64_t UNSURE = -1;

static bool is_continued(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Bytes of the UTF-8 character that begins here; 0 where none does (RFC 3629, section 4). */
static size_t character(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    if (left >= 2 && first >= 0xC2 && first <= 0xDF)
        return is_continued(at[1]) ? 2 : 0;
    if (left >= 3 && first >= 0xE0 && first <= 0xEF) {
        bool good = first == 0xE0 ? at[1] >= 0xA0 : first == 0xED ? at[1] <= 0x9F : true;
        return good && is_continued(at[1]) && is_continued(at[2]) ? 3 : 0;
    }
    if (left >= 4 && first >= 0xF0 && first <= 0xF4) {
        bool good = first == 0xF0 ? at[1] >= 0x90 : first == 0xF4 ? at[1] <= 0x8F : true;
        return good && is_continued(at[1]) && is_continued(at[2]) && is_continued(at[3]) ? 4 : 0;
    }
    return 0;
}

static bool is_text(struct bytes text)
{
    static const uint64_t HIGH_BITS = 0x8080808080808080;
    size_t at = 0, length;
    uint64_t eight;
    while (at < text.length) {
        if (at + sizeof eight <= text.length) {
            memcpy(&eight, text.at + at, sizeof eight);
            if ((eight & HIGH_BITS) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        length = character(text.at + at, text.length - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

/* The next field; false at the end, and where the reader turned bad: also where parsers might differ. */
static bool next_plain_field(struct reader *reader, struct field *field)
{
    const uint8_t *begin = reader->at;
    uint64_t tag;
    if (begin == reader->end || !read_varint(reader, &tag))
        return false;
    if (reader->at - begin > TAG_BYTES || tag < TAG(1, 0))
        return reader_turns_bad(reader);
    field->tag = (uint32_t)tag;
    begin = reader->at;
    if (!read_content(reader, field))
        return false;
    bool is_plain = (tag & 7) != LENGTH || field->bytes.at - begin <= LENGTH_BYTES;
    return is_plain || reader_turns_bad(reader);
}

static int64_t count(const struct type *types, uint8_t type, struct bytes message, unsigned level);

/* Items in a field that has a length. */
static int64_t count_in(const struct type *types, uint8_t type, const struct field *field, unsigned level)
{
    uint32_t number = field->tag >> 3;
    int64_t items;
    switch (number < FIELDS ? types[type].content[number] : PARSED) {
    case ANYTHING:
        return 0;
    case TEXT:
        return is_text(field->bytes) ? 0 : UNSURE;
    case MESSAGE:
        return count(types, types[type].type[number], field->bytes, level + 1);
    case ITEM:
        items = count(types, types[type].type[number], field->bytes, level + 1);
        return items == UNSURE ? UNSURE : 1;
    default:
        return UNSURE;
    }
}

static int64_t count(const struct type *types, uint8_t type, struct bytes message, unsigned level)
{
    struct reader reader = read_message(message);
    struct field field;
    int64_t items = 0;
    if (level > LEVELS)
        return UNSURE;
    while (next_plain_field(&reader, &field)) {
        int64_t within = (field.tag & 7) == LENGTH ? count_in(types, type, &field, level) : 0;
        if (within == UNSURE)
            return UNSURE;
        items += within;
    }
    return reader.bad ? UNSURE : items;
}

int64_t lambdascope_count(const struct type *types, const uint8_t *at, size_t length)
{
    return count(types, 0, (struct bytes){at, length}, 0);
}
