/* The order of a block's rows: that of their table's key. What comes in order, ClickHouse does not put in order, which
 * would take it a sixth of an insert. Nothing depends on it: ClickHouse looks, and sorts what is not. */
#ifndef LAMBDASCOPE_ORDER_H
#define LAMBDASCOPE_ORDER_H

#include "words.h"

/* A Span or LogRecord, whose it is, and its key. */
struct item {
    struct bytes message;
    uint32_t resource, scope; /* numbers of those that were met */
    uint32_t service, name;   /* numbers among the words met, then their places in order */
    uint64_t period, time;    /* the first of the key, and the last */
};

struct order {
    struct buffer items; /* struct item */
    struct words services, names;
    struct buffer places, sorted; /* of the words of one of these */
};

static inline size_t order_count(const struct order *order)
{
    return order->items.length / sizeof(struct item);
}

static inline const struct item *order_item(const struct order *order, size_t index)
{
    return (const struct item *)order->items.at + index;
}

/* The number of a service or name. */
uint32_t order_word(struct words *words, struct bytes word);
void order_add(struct order *order, const struct item *item);
/* By period, service, name and time. False where there is no memory. */
bool order_sort(struct order *order);
/* Back to no items, in the same memory. */
void order_clear(struct order *order, uint64_t seed);
void order_free(struct order *order);

#endif
