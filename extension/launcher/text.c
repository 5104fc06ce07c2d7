#include "text.h"

#include "bytes.h"

struct text text_of(const char *zero_terminated)
{
    size_t length = 0;
    while (zero_terminated[length])
        length++;
    return (struct text){zero_terminated, length};
}

bool text_equal(struct text a, struct text b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_equal_ignoring_case(struct text a, struct text b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

bool text_starts_with(struct text text, struct text prefix)
{
    return text.length >= prefix.length && memcmp(text.at, prefix.at, prefix.length) == 0;
}

bool text_contains(struct text text, struct text part)
{
    for (; text.length >= part.length; text.at++, text.length--)
        if (text_starts_with(text, part))
            return true;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct text text_trimmed(struct text text)
{
    while (text.length && is_blank(text.at[0])) {
        text.at++;
        text.length--;
    }
    while (text.length && is_blank(text.at[text.length - 1]))
        text.length--;
    return text;
}

struct text text_basename(struct text path)
{
    for (size_t i = path.length; i-- > 0;)
        if (path.at[i] == '/')
            return (struct text){path.at + i + 1, path.length - i - 1};
    return path;
}

struct text text_until(struct text *rest, char end)
{
    struct text taken = {rest->at, 0};
    while (taken.length < rest->length && taken.at[taken.length] != end)
        taken.length++;
    size_t gone = taken.length + (taken.length < rest->length ? 1 : 0);
    rest->at += gone;
    rest->length -= gone;
    return taken;
}

int64_t text_decimal(struct text text, int64_t most)
{
    int64_t number = 0;
    if (text.length == 0 || text.length > 18) /* 18 digits always fit */
        return -1;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return -1;
        number = number * 10 + (text.at[i] - '0');
    }
    return number <= most ? number : -1;
}

bool text_is_token(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    return text.length > 0;
}

void write_text(struct writer *writer, struct text text)
{
    if (writer->overflow || text.length > writer->capacity - writer->length) {
        writer->overflow = true;
        return;
    }
    memcpy(writer->at + writer->length, text.at, text.length);
    writer->length += text.length;
}

void write_decimal(struct writer *writer, int64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        digits[--first] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        digits[--first] = '-';
    write_text(writer, (struct text){digits + first, sizeof digits - first});
}

const char *written_string(struct writer *writer)
{
    write_text(writer, (struct text){"", 1});
    return writer->overflow ? "" : writer->at;
}

struct text written(const struct writer *writer)
{
    return writer->overflow ? TEXT("") : (struct text){writer->at, writer->length};
}
