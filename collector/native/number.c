#include "number.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_DIGITS = 17,  /* of a double; as many always read back the same */
    SURE_DIGITS = 15,  /* as many are always the same again as a double */
    LEAST_FIXED = -6,  /* exponents of ten that are written without an exponent */
    MOST_FIXED = 20,
};

static const uint64_t MANTISSA = ((uint64_t)1 << 52) - 1;

/* The digits without zeros at the end, and the exponent of ten of the first one. */
struct decimal {
    char digits[MOST_DIGITS + 1];
    int count, exponent;
};

/* To so many digits; returns whether they read back the same. */
static bool to_digits(double number, int digits, struct decimal *decimal)
{
    char text[40];
    snprintf(text, sizeof text, "%.*e", digits - 1, number);
    decimal->count = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') /* whatever stands for the point here */
            decimal->digits[decimal->count++] = *at;
    decimal->exponent = atoi(at + 1);
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
    return strtod(text, NULL) == number;
}

static void put_zeros(struct buffer *to, int count)
{
    while (count-- > 0)
        put_byte(to, '0');
}

static void put_digits(struct buffer *to, const struct decimal *decimal, int first, int count)
{
    put(to, decimal->digits + first, (size_t)count);
}

static void put_fixed(struct buffer *to, const struct decimal *decimal)
{
    int whole = decimal->exponent + 1;
    if (whole <= 0) {
        put(to, "0.", 2);
        put_zeros(to, -whole);
        put_digits(to, decimal, 0, decimal->count);
    } else if (whole >= decimal->count) {
        put_digits(to, decimal, 0, decimal->count);
        put_zeros(to, whole - decimal->count);
    } else {
        put_digits(to, decimal, 0, whole);
        put_byte(to, '.');
        put_digits(to, decimal, whole, decimal->count - whole);
    }
}

static void put_with_exponent(struct buffer *to, const struct decimal *decimal)
{
    put_digits(to, decimal, 0, 1);
    if (decimal->count > 1) {
        put_byte(to, '.');
        put_digits(to, decimal, 1, decimal->count - 1);
    }
    put_byte(to, 'e');
    put_decimal(to, decimal->exponent);
}

bool put_double(struct buffer *to, uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    if (number != number) {
        put(to, "NaN", 3);
        return true;
    }
    if (number == 0) {
        put_byte(to, '0');
        return true;
    }
    if (number < 0) {
        put_byte(to, '-');
        number = -number;
    }
    if (number > 1.7976931348623157e308) {
        put(to, "Infinity", 8);
        return true;
    }
    if (number < 9007199254740992.0 && number == (double)(int64_t)number) {
        put_decimal(to, (int64_t)number);
        return true;
    }
    struct decimal decimal;
    int digits = SURE_DIGITS;
    while (!to_digits(number, digits, &decimal) && digits < MOST_DIGITS)
        digits++;
    /* At a power of two the doubles below lie closer than those above: the nearest digits need not be the fewest. So it is
     * with the smallest numbers, of which fewer digits than a double's may do. */
    bool uneven = (bits & MANTISSA) == 0 && digits > SURE_DIGITS;
    bool tiny = number < 2.2250738585072014e-308;
    if (decimal.exponent < LEAST_FIXED || decimal.exponent > MOST_FIXED)
        put_with_exponent(to, &decimal);
    else
        put_fixed(to, &decimal);
    return !uneven && !tiny;
}
