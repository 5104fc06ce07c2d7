/* Values of attributes and bodies of logs: from OTLP's AnyValue to the text that is stored (collector/otlp/values.py). */
#ifndef LAMBDASCOPE_VALUE_H
#define LAMBDASCOPE_VALUE_H

#include "buffer.h"

enum kind { KIND_NONE, KIND_STRING, KIND_BOOL, KIND_INT, KIND_DOUBLE, KIND_ARRAY, KIND_BYTES };

/* A value as it is in the message. */
struct value {
    enum kind kind;
    uint64_t number;
    struct bytes bytes;
};

/* False for what is left to Python: a map, a field that comes twice, one that is not known here. */
bool read_value(struct bytes message, struct value *value);

/* Writes the text, without a length. False for what is left to Python: a list that holds more than plain strings, whole
 * numbers, booleans and nothing, and few numbers. */
bool put_text(struct buffer *to, const struct value *value);
/* Likewise a value of a String column; `scratch` is somewhere to put a text together. */
bool put_value(struct buffer *to, const struct value *value, struct buffer *scratch);

#endif
