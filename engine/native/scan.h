/* Reading JSON that a venue writes every day; whatever is unusual is left to the typed decoder. */
#ifndef PREMIA_SCAN_H
#define PREMIA_SCAN_H

#include "native.h"

/* Each takes the address of a token and gives that of what follows it, or NULL: unusual, not read. The text ends at `end`
   with NUL, which no token holds. */
static inline const char *scan_space(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

const char *scan_text(const char *p, const char *end, const char **begin, Py_ssize_t *length); /* ASCII without escapes */
const char *scan_value(const char *p, const char *end, int depth); /* passes over it */

#endif
