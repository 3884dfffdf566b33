/* Texts and rows of levels: what the reader of whole frames and the follower of books both read. */
#ifndef PREMIA_ROWS_H
#define PREMIA_ROWS_H

#include "number.h"
#include "scan.h"

enum { SKIPPED_DEPTH = 8 };

/* A new reference. Symbols and channels come again and again: the same text is the same object, its hash known. */
PyObject *text_of(const char *begin, Py_ssize_t length);

/* Rows of the frame being read, a side each; taken before anything else is called that might read another frame. */
extern struct Scratch {
    Level *rows;
    Py_ssize_t room;
} scratch[2];

int more_scratch(int side); /* -1 with MemoryError */

static inline int keep(int side, Py_ssize_t at, double price, double size)
{
    if (at >= scratch[side].room && more_scratch(side) < 0)
        return -1;
    scratch[side].rows[at] = (Level){price, size};
    return 0;
}

/* [price, size], and where rows are not `exact` whatever follows these two. NULL: unusual. */
static inline const char *read_row(const char *p, const char *end, int quoted, int exact, double *columns)
{
    if (*p != '[' || (p = scan_number(scan_space(p + 1), end, &columns[0], quoted)) == NULL)
        return NULL;
    if (*(p = scan_space(p)) != ',' || (p = scan_number(scan_space(p + 1), end, &columns[1], quoted)) == NULL)
        return NULL;
    for (p = scan_space(p); *p == ','; p = scan_space(p))
        if (exact || (p = scan_value(scan_space(p + 1), end, SKIPPED_DEPTH)) == NULL)
            return NULL;
    return *p == ']' ? p + 1 : NULL;
}

#endif
