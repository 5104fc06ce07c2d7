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

/* The text from the value under `key` on; false where there is none. */
static bool find_value(struct text json, struct text key, struct text *found)
{
    struct text name;
    if (!take(&json, '{'))
        return false;
    do {
        if (!take_string(&json, &name) || !take(&json, ':'))
            return false;
        if (text_equal(name, key)) {
            skip_space(&json);
            *found = json;
            return true;
        }
    } while (skip_value(&json) && take(&json, ','));
    return false;
}

struct text json_string(struct text json, struct text key)
{
    struct text rest, value;
    return find_value(json, key, &rest) && take_string(&rest, &value) ? value : TEXT("");
}

int64_t json_number(struct text json, struct text key)
{
    struct text rest;
    size_t length = 0;
    if (!find_value(json, key, &rest))
        return -1;
    while (length < rest.length && rest.at[length] != ',' && rest.at[length] != '}' && !is_space(rest.at[length]))
        length++;
    return text_decimal((struct text){rest.at, length}, INT64_MAX);
}
