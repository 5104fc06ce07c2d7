#include "order.h"

#include <stdlib.h>

struct named {
    struct bytes text;
    uint32_t number;
};

uint32_t order_word(struct words *words, struct bytes word)
{
    words_put(words, word);
    words->indexes.length = 0; /* it is asked for once, and then kept with the item */
    return words->last;
}

void order_add(struct order *order, const struct item *item)
{
    put(&order->items, item, sizeof *item);
}

static int by_text(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    return bytes_compare(left->text, right->text);
}

/* Where each word stands among all of them, by its number; NULL where there is no memory. */
static const uint32_t *sorted_places(struct order *order, const struct words *words)
{
    uint32_t count = words_count(words);
    order->sorted.length = order->places.length = 0;
    struct named *sorted = (struct named *)buffer_take(&order->sorted, count * sizeof *sorted);
    uint32_t *places = (uint32_t *)buffer_take(&order->places, count * sizeof *places);
    if (sorted == NULL || places == NULL)
        return NULL;
    for (uint32_t number = 0; number < count; number++)
        sorted[number] = (struct named){words_text(words, number), number};
    qsort(sorted, count, sizeof *sorted, by_text);
    for (uint32_t place = 0; place < count; place++)
        places[sorted[place].number] = place;
    return places;
}

static int by_key(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    if (left->period != right->period)
        return left->period < right->period ? -1 : 1;
    if (left->service != right->service)
        return left->service < right->service ? -1 : 1;
    if (left->name != right->name)
        return left->name < right->name ? -1 : 1;
    return (left->time > right->time) - (left->time < right->time);
}

bool order_sort(struct order *order)
{
    size_t count = order_count(order);
    struct item *items = (struct item *)order->items.at;
    if (memory.out || count < 2)
        return !memory.out;
    const uint32_t *places = sorted_places(order, &order->services);
    for (size_t i = 0; places != NULL && i < count; i++)
        items[i].service = places[items[i].service];
    places = places != NULL ? sorted_places(order, &order->names) : NULL;
    for (size_t i = 0; places != NULL && i < count; i++)
        items[i].name = places[items[i].name];
    if (places != NULL)
        qsort(items, count, sizeof *items, by_key);
    return places != NULL;
}

void order_clear(struct order *order, uint64_t seed)
{
    order->items.length = 0;
    words_clear(&order->services, seed);
    words_clear(&order->names, seed);
}

void order_free(struct order *order)
{
    buffer_free(&order->items);
    words_free(&order->services);
    words_free(&order->names);
    buffer_free(&order->places);
    buffer_free(&order->sorted);
}
