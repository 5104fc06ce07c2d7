/* Text that is somewhere in a buffer, and text that grows in a bounded one. Pure; nothing here needs a terminating zero. */
#ifndef LAMBDASCOPE_TEXT_H
#define LAMBDASCOPE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *at;
    size_t length;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})

struct text text_of(const char *zero_terminated);
bool text_equal(struct text a, struct text b);
/* Equal but for the case of ASCII letters, as names of HTTP headers are compared. */
bool text_equal_ignoring_case(struct text a, struct text b);
bool text_starts_with(struct text text, struct text prefix);
bool text_contains(struct text text, struct text part);
/* Without the spaces and tabs at both ends. */
struct text text_trimmed(struct text text);
/* The part behind the last slash; the whole text where there is none. */
struct text text_basename(struct text path);
/* Takes the text in front of `end` off `rest`, and `end` with it; all of `rest` where `end` is not in it. */
struct text text_until(struct text *rest, char end);
/* A whole number in decimal digits and nothing else, at most `most`; -1 for anything else. */
int64_t text_decimal(struct text text, int64_t most);
/* True where the text is not empty and consists of printable ASCII without spaces. */
bool text_is_token(struct text text);

/* A buffer that is written from its beginning. What does not fit is left out, and `overflow` says so. */
struct writer {
    char *at;
    size_t capacity, length;
    bool overflow;
};

void write_text(struct writer *writer, struct text text);
void write_decimal(struct writer *writer, int64_t number);
/* What was written, with a zero behind it; "" where it did not fit. */
const char *written_string(struct writer *writer);
struct text written(const struct writer *writer);

#endif
