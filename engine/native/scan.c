#include "scan.h"
#include "number.h"

const double scan_powers[EXACT_POWERS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/* The high bit of each byte that is zero, as far as the first of them: what is flagged after it means nothing. */
static inline uint64_t zeros(uint64_t word) { return (word - EACH(1)) & ~word & EACH(0x80); }

const char *scan_text(const char *p, const char *end, const char **begin, Py_ssize_t *length)
{
    if (*p != '"')
        return NULL;
    const char *start = ++p;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (uint64_t word, ends = 0; ends == 0 && end - p >= 8;) {
        memcpy(&word, p, sizeof word);
        ends = zeros(word ^ EACH('"')) | zeros(word ^ EACH('\\')) | ((word - EACH(' ')) & ~word & EACH(0x80)) | (word & EACH(0x80));
        p += ends ? __builtin_ctzll(ends) / 8 : 8;
    }
#endif
    while (*p != '"') {
        if ((signed char)*p < ' ' || *p == '\\') /* control, NUL, not ASCII, an escape */
            return NULL;
        p++;
    }
    *begin = start;
    *length = p - start;
    return p + 1;
}

enum { LONGEST_NUMBER = 1000 };

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

/* As Python reads it: PyOS_string_to_double is what float() calls. */
const char *scan_slowly(const char *start, double *value)
{
    char *end = NULL;
    const char *last = scan_any_number(start);
    if (last == NULL || last - start > LONGEST_NUMBER)
        return NULL;
    *value = PyOS_string_to_double(start, &end, NULL);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return NULL;
    }
    return *value <= 1e300 && end == last ? last : NULL;
}

static const char *scan_word(const char *p)
{
    if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0)
        return p + 4;
    return strncmp(p, "false", 5) == 0 ? p + 5 : NULL;
}

/* A whole number without a sign, as counters that nobody reads are. NULL: something else. */
static const char *scan_counter(const char *p, const char *end)
{
    uint64_t ignored = 0;
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return NULL;
    p = scan_run(p, end, &ignored);
    return *p == '.' || (*p | 0x20) == 'e' ? NULL : p;
}

/* Past a list or an object, whose opening bracket is at `p`. */
static const char *scan_many(const char *p, const char *end, int depth)
{
    const char close = *p == '[' ? ']' : '}';
    const char *begin;
    Py_ssize_t length;
    p = scan_space(p + 1);
    if (*p == close)
        return p + 1;
    while (p != NULL) {
        if (close == '}') {
            if ((p = scan_text(p, end, &begin, &length)) == NULL || *(p = scan_space(p)) != ':')
                return NULL;
            p = scan_space(p + 1);
        }
        if ((p = scan_value(p, end, depth - 1)) == NULL)
            return NULL;
        p = scan_space(p);
        if (*p == close)
            return p + 1;
        p = *p == ',' ? scan_space(p + 1) : NULL;
    }
    return NULL;
}

const char *scan_value(const char *p, const char *end, int depth)
{
    const char *begin;
    Py_ssize_t length;
    const char *passed = scan_counter(p, end);
    if (passed != NULL)
        return passed;
    if (*p == '"')
        return scan_text(p, end, &begin, &length);
    if (*p == '[' || *p == '{')
        return depth > 0 ? scan_many(p, end, depth) : NULL;
    return *p == '-' || is_digit(*p) ? scan_any_number(p) : scan_word(p);
}
