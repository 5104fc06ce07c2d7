#include "json.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void drop(struct text *rest, size_t count)
{
    rest->at += count;
    rest->length -= count;
}

static void skip_space(struct text *rest)
{
    while (rest->length && is_space(rest->at[0]))
        drop(rest, 1);
}

static bool take(struct text *rest, char c)
{
    skip_space(rest);
    if (rest->length == 0 || rest->at[0] != c)
        return false;
    drop(rest, 1);
    return true;
}

static bool take_string(struct text *rest, struct text *string)
{
    if (!take(rest, '"'))
        return false;
    for (size_t i = 0; i < rest->length; i++) {
        if (rest->at[i] == '\\')
            i++;
        else if (rest->at[i] == '"') {
            *string = (struct text){rest->at, i};
            drop(rest, i + 1);
            return true;
        }
    }
    return false;
}

/* Skips a value: up to the comma or brace that ends it on its own level. */
static bool skip_value(struct text *rest)
{
    struct text string;
    size_t depth = 0;
    for (skip_space(rest); rest->length; skip_space(rest)) {
        char c = rest->at[0];
        if (depth == 0 && (c == ',' || c == '}'))
            return true;
        if (c == '"') {
            if (!take_string(rest, &string))
                return false;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth-- == 0)
            return false;
        drop(rest, 1);
    }
    return false;
}

struct text json_string(struct text json, struct text key)
{
    struct text name, value;
    if (!take(&json, '{'))
        return TEXT("");
    do {
        if (!take_string(&json, &name) || !take(&json, ':'))
            return TEXT("");
        if (text_equal(name, key))
            return take_string(&json, &value) ? value : TEXT("");
    } while (skip_value(&json) && take(&json, ','));
    return TEXT("");
}
