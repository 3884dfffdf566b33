/* Numbers of a frame: most of its bytes are digits, so these are inlined where they are read. */
#ifndef PREMIA_NUMBER_H
#define PREMIA_NUMBER_H

#include "native.h"
#include <stdint.h>
#include <string.h>

enum { EXACT_POWERS = 22, MOST_DIGITS = 18, DIGITS_AT_ONCE = 8 };
extern const double scan_powers[EXACT_POWERS + 1];

/* The general way of a number without its quotes: any length, any exponent. NULL: no number from 0 to 1e300. */
const char *scan_slowly(const char *p, double *value);

static inline int is_digit(char c) { return (unsigned char)(c - '0') < 10; }

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* How many of eight characters, less '0' each, are digits before the first that is none. */
static inline int digits_in(uint64_t word)
{
    uint64_t others = ((word + 0x7676767676767676u) | word) & 0x8080808080808080u;
    return others ? __builtin_ctzll(others) / 8 : DIGITS_AT_ONCE;
}

/* Eight digits, the first in the lowest byte: neighbours are joined to pairs, pairs to fours, fours to the number. */
static inline uint64_t joined(uint64_t word)
{
    word = word * 10 + (word >> 8);
    return (((word & 0x000000FF000000FFu) * 0x000F424000000064u) +
            ((word >> 16 & 0x000000FF000000FFu) * 0x0000271000000001u)) >> 32;
}

static const uint32_t TENS[DIGITS_AT_ONCE + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* A number whose digits and point are eight characters at most, as prices and sizes mostly are: taken out of one word.
   NULL: longer, or none. */
static inline const char *scan_short(const char *p, const char *end, double *value)
{
    uint64_t word;
    if (end - p < DIGITS_AT_ONCE)
        return NULL;
    memcpy(&word, p, sizeof word);
    word ^= 0x3030303030303030u;
    uint64_t others = ((word + 0x7676767676767676u) | word) & 0x8080808080808080u;
    if (others == 0)
        return NULL;
    int whole = __builtin_ctzll(others) / 8, length = whole, places = 0;
    if (whole == 0 || (*p == '0' && whole > 1))
        return NULL;
    if (p[whole] == '.') {
        others &= others - 1;
        length = others ? __builtin_ctzll(others) / 8 : DIGITS_AT_ONCE;
        places = length - whole - 1;
        uint64_t before = ((uint64_t)1 << 8 * whole) - 1;
        word = (word & before) | (word >> 8 & ~before); /* without the point */
        if (places == 0 || (others == 0 && is_digit(p[DIGITS_AT_ONCE])))
            return NULL;
    }
    if ((p[length] | 0x20) == 'e')
        return NULL;
    int digits = length - (places > 0);
    *value = (double)joined(word << 8 * (DIGITS_AT_ONCE - digits)) / scan_powers[places];
    return p + length;
}
#else
static inline const char *scan_short(const char *p, const char *end, double *value) { return NULL; }
#endif

/* Past a run of digits, which go on in `value`; it wraps where there are too many for it. */
static inline const char *scan_run(const char *p, const char *end, uint64_t *value)
{
    uint64_t found = *value;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - p >= DIGITS_AT_ONCE) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word ^= 0x3030303030303030u;
        int count = digits_in(word);
        if (count > 0)
            found = found * TENS[count] + joined(word << 8 * (DIGITS_AT_ONCE - count));
        p += count;
        if (count < DIGITS_AT_ONCE) {
            *value = found;
            return p;
        }
    }
#endif
    for (; is_digit(*p); p++)
        found = found * 10 + (uint64_t)(*p - '0');
    *value = found;
    return p;
}

/* From 0 to 1e300, as float() reads it. `end` is that of the text, where a NUL stands. */
static inline const char *scan_number(const char *p, const char *end, double *value, int quoted)
{
    int in_text = quoted && *p == '"';
    p += in_text;
    const char *start = p;
    uint64_t digits = 0;
    Py_ssize_t count, places = 0;
    if ((p = scan_short(start, end, value)) != NULL)
        return in_text && *p++ != '"' ? NULL : p;
    p = start;
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return NULL;
    p = scan_run(p, end, &digits);
    count = p - start;
    if (*p == '.') {
        const char *point = p++;
        p = scan_run(p, end, &digits);
        places = p - point - 1;
        count += places;
        if (places == 0)
            return NULL;
    }
    /* Both the digits and the power of ten are exact doubles: their quotient is the nearest double there is. */
    if (count <= MOST_DIGITS && digits <= 1ULL << 53 && (*p | 0x20) != 'e')
        *value = (double)digits / scan_powers[places];
    else if ((p = scan_slowly(start, value)) == NULL)
        return NULL;
    if (in_text && *p++ != '"')
        return NULL;
    return p;
}

/* A whole number as far as 63 bits go. */
static inline const char *scan_integer(const char *p, const char *end, long long *value, int quoted)
{
    int in_text = quoted && *p == '"';
    p += in_text;
    int negative = *p == '-';
    p += negative;
    const char *start = p;
    uint64_t found = 0; /* nineteen digits fit: 10^19 < 2^64 */
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return NULL;
    p = scan_run(p, end, &found);
    if (p - start > 19 || *p == '.' || (*p | 0x20) == 'e' || found > LLONG_MAX)
        return NULL;
    *value = negative ? -(long long)found : (long long)found;
    if (in_text && *p++ != '"')
        return NULL;
    return p;
}

#endif
