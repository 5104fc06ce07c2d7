#include "outline.h"

static uint64_t eight_bytes(const char *at)
{
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
}

/* Whether one of eight bytes is `byte`: the trick with borrows, from "Bit Twiddling Hacks". */
static uint64_t has_byte(uint64_t word, uint64_t byte)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t zero_where_equal = word ^ (ones * byte);
    return (zero_where_equal - ones) & ~zero_where_equal & (ones << 7);
}

/* Most of a large event is the inside of strings: eight bytes at a time, up to what may end one. */
static size_t skip_plain(struct text data, size_t at)
{
    while (data.length - at >= 8) {
        uint64_t word = eight_bytes(data.at + at);
        if (has_byte(word, '"') | has_byte(word, '\\'))
            break;
        at += 8;
    }
    return at;
}

static void read_in_string(struct outline *outline, char c)
{
    if (outline->escaped)
        outline->escaped = false;
    else if (c == '\\')
        outline->escaped = true;
    else if (c == '"')
        outline->in_string = false;
}

static bool is_inside(const struct outline *outline, struct text open)
{
    return outline->depth == open.length && text_equal((struct text){outline->open, open.length}, open);
}

/* Whether a record begins here. */
static bool read_bracket(struct outline *outline, char c)
{
    bool record = false;
    if (c == '{' && is_inside(outline, TEXT("{["))) {
        outline->records++;
        record = true;
    } else if (c == '{' && is_inside(outline, TEXT("{{["))) {
        outline->grouped++;
        record = true;
    }
    if (outline->depth < OUTLINE_LEVELS)
        outline->open[outline->depth] = c;
    outline->depth++;
    return record;
}

int64_t outline_read(struct outline *outline, struct text data)
{
    int64_t last = -1;
    for (size_t at = 0; at < data.length; at++) {
        if (outline->in_string && !outline->escaped)
            at = skip_plain(data, at);
        if (at >= data.length)
            break;
        char c = data.at[at];
        if (outline->in_string)
            read_in_string(outline, c);
        else if (c == '"')
            outline->in_string = true;
        else if (c == '{' || c == '[')
            last = read_bracket(outline, c) ? (int64_t)at : last;
        else if ((c == '}' || c == ']') && outline->depth > 0)
            outline->depth--;
    }
    return last;
}
