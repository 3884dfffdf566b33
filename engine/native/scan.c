#include "scan.h"
#include <string.h>

enum { EXACT_POWERS = 22, EXACT_DIGITS = 18, LONGEST_INTEGER = 19 };
static const double POWERS[EXACT_POWERS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline int is_digit(char c) { return (unsigned char)(c - '0') < 10; }

const char *scan_text(const char *p, const char **begin, Py_ssize_t *length)
{
    if (*p != '"')
        return NULL;
    const char *start = ++p;
    while (*p != '"') {
        if ((signed char)*p < ' ' || *p == '\\') /* control, NUL, not ASCII, an escape */
            return NULL;
        p++;
    }
    *begin = start;
    *length = p - start;
    return p + 1;
}

/* Digits as JSON allows them before a point. */
static const char *scan_digits(const char *p)
{
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return NULL;
    while (is_digit(*p))
        p++;
    return p;
}

/* The end of the exponent at `p`, or `p` where there is none. */
static const char *scan_exponent(const char *p)
{
    if (*p != 'e' && *p != 'E')
        return p;
    p += p[1] == '+' || p[1] == '-' ? 2 : 1;
    if (!is_digit(*p))
        return NULL;
    while (is_digit(*p))
        p++;
    return p;
}

/* As Python reads it: PyOS_string_to_double is what float() calls. */
static const char *scan_slowly(const char *start, double *value)
{
    char *end = NULL;
    *value = PyOS_string_to_double(start, &end, NULL);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return NULL;
    }
    return *value <= 1e300 ? end : NULL;
}

const char *scan_number(const char *p, double *value, int quoted)
{
    int in_text = quoted && *p == '"';
    p += in_text;
    const char *start = p;
    unsigned long long digits = 0;
    int count = 0, places = 0;
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return NULL;
    for (; is_digit(*p); p++) {
        digits = digits * 10 + (unsigned long long)(*p - '0');
        count += digits > 0;
    }
    if (*p == '.') {
        const char *point = p++;
        for (; is_digit(*p); p++) {
            digits = digits * 10 + (unsigned long long)(*p - '0');
            count += digits > 0;
        }
        if (p - point < 2 || p - point > 1000)
            return NULL;
        places = (int)(p - point - 1);
    }
    const char *end = scan_exponent(p);
    if (end == NULL)
        return NULL;
    /* Both the digits and the power of ten are exact doubles: their quotient is the nearest double there is. */
    if (end == p && count <= EXACT_DIGITS && digits <= 1ULL << 53 && places <= EXACT_POWERS)
        *value = (double)digits / POWERS[places];
    else if (scan_slowly(start, value) != end)
        return NULL;
    if (in_text && *end++ != '"')
        return NULL;
    return end;
}

const char *scan_integer(const char *p, long long *value, int quoted)
{
    int in_text = quoted && *p == '"';
    p += in_text;
    int negative = *p == '-';
    p += negative;
    const char *start = p, *end = scan_digits(p);
    if (end == NULL || end - start > LONGEST_INTEGER || *end == '.' || *end == 'e' || *end == 'E')
        return NULL;
    unsigned long long found = 0; /* nineteen digits fit: 10^19 < 2^64 */
    for (; p < end; p++)
        found = found * 10 + (unsigned long long)(*p - '0');
    if (found > LLONG_MAX)
        return NULL;
    *value = negative ? -(long long)found : (long long)found;
    if (in_text && *end++ != '"')
        return NULL;
    return end;
}

static const char *scan_word(const char *p)
{
    if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0)
        return p + 4;
    return strncmp(p, "false", 5) == 0 ? p + 5 : NULL;
}

static const char *scan_any_number(const char *p)
{
    p = scan_digits(p + (*p == '-'));
    if (p != NULL && *p == '.') {
        if (!is_digit(*++p))
            return NULL;
        while (is_digit(*p))
            p++;
    }
    return p == NULL ? NULL : scan_exponent(p);
}

/* Past a list or an object, whose opening bracket is at `p`. */
static const char *scan_many(const char *p, int depth)
{
    const char close = *p == '[' ? ']' : '}';
    const char *begin;
    Py_ssize_t length;
    p = scan_space(p + 1);
    if (*p == close)
        return p + 1;
    while (p != NULL) {
        if (close == '}') {
            if ((p = scan_text(p, &begin, &length)) == NULL || *(p = scan_space(p)) != ':')
                return NULL;
            p = scan_space(p + 1);
        }
        if ((p = scan_value(p, depth - 1)) == NULL)
            return NULL;
        p = scan_space(p);
        if (*p == close)
            return p + 1;
        p = *p == ',' ? scan_space(p + 1) : NULL;
    }
    return NULL;
}

const char *scan_value(const char *p, int depth)
{
    const char *begin;
    Py_ssize_t length;
    if (*p == '"')
        return scan_text(p, &begin, &length);
    if (*p == '[' || *p == '{')
        return depth > 0 ? scan_many(p, depth) : NULL;
    return *p == '-' || is_digit(*p) ? scan_any_number(p) : scan_word(p);
}
