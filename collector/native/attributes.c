#include "attributes.h"

#include <stdlib.h>

#include "wire.h"

enum { FEW = 32 };

static size_t pairs_count(const struct pairs *pairs)
{
    return pairs->list.length / sizeof(struct pair);
}

static struct pair *pair_at(const struct pairs *pairs, size_t index)
{
    return (struct pair *)pairs->list.at + index;
}

bool pairs_add(struct pairs *pairs, struct bytes message)
{
    struct pair pair = {.place = pairs_count(pairs)};
    bool valued = false;
    struct reader reader = read_message(message);
    struct field field;
    while (next_field(&reader, &field)) {
        if (field.tag == TAG(1, LENGTH)) {
            pair.key = field.bytes;
        } else if (field.tag == TAG(2, LENGTH)) {
            if (valued || !read_value(field.bytes, &pair.value))
                return false;
            valued = true;
        }
    }
    put(&pairs->list, &pair, sizeof pair);
    return !reader.bad;
}

static void sort_few(struct pair *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct pair moved = pairs[i];
        size_t place = i;
        for (; place > 0 && bytes_compare(pairs[place - 1].key, moved.key) > 0; place--)
            pairs[place] = pairs[place - 1];
        if (place != i)
            pairs[place] = moved;
    }
}

/* qsort does not keep the order of equals. */
static int by_key_then_place(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    int order = bytes_compare(left->key, right->key);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

void pairs_sort(struct pairs *pairs)
{
    size_t count = pairs_count(pairs), kept = 0;
    struct pair *all = pair_at(pairs, 0);
    if (count < 2)
        return;
    if (count <= FEW)
        sort_few(all, count);
    else
        qsort(all, count, sizeof *all, by_key_then_place);
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || !bytes_equal(all[i].key, all[i + 1].key))
            all[kept++] = all[i];
    pairs->list.length = kept * sizeof *all;
}

const struct value *pairs_find(const struct pairs *pairs, struct bytes key)
{
    for (size_t i = 0; i < pairs_count(pairs); i++)
        if (bytes_equal(pair_at(pairs, i)->key, key))
            return &pair_at(pairs, i)->value;
    return NULL;
}

bool attributes_put(struct attributes *attributes, const struct pairs *pairs, struct buffer *scratch)
{
    for (size_t i = 0; i < pairs_count(pairs); i++) {
        words_put(&attributes->keys, pair_at(pairs, i)->key);
        if (!put_value(&attributes->values, &pair_at(pairs, i)->value, scratch))
            return false;
    }
    put_uint64(&attributes->ends, words_rows(&attributes->keys));
    return true;
}

bool attributes_put_row(struct attributes *attributes, struct row *row, const struct pairs *pairs,
                        struct buffer *scratch)
{
    if (!row->put) {
        *row = (struct row){true, words_rows(&attributes->keys), pairs_count(pairs), attributes->values.length, 0};
        bool known = attributes_put(attributes, pairs, scratch);
        row->values_length = attributes->values.length - row->values_at;
        return known;
    }
    words_put_again(&attributes->keys, row->first, row->count);
    uint8_t *place = buffer_take(&attributes->values, row->values_length);
    if (place != NULL && row->values_length != 0)
        memcpy(place, attributes->values.at + row->values_at, row->values_length);
    put_uint64(&attributes->ends, words_rows(&attributes->keys));
    return true;
}

void attributes_clear(struct attributes *attributes, uint64_t seed)
{
    attributes->ends.length = attributes->values.length = 0;
    words_clear(&attributes->keys, seed);
}

void attributes_free(struct attributes *attributes)
{
    buffer_free(&attributes->ends);
    words_free(&attributes->keys);
    buffer_free(&attributes->values);
}
