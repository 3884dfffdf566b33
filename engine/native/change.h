/* One frame of a live book as a follower reads it: nothing of it is a Python object yet. */
#ifndef PREMIA_CHANGE_H
#define PREMIA_CHANGE_H

#include "parts.h"

typedef struct {
    const char *end;     /* of the text */
    const char *text[2]; /* SYMBOL and TOPIC, within the text */
    Py_ssize_t length[2];
    long long numbers[NUMBERS];
    unsigned given; /* bits of those that stand in the frame */
    int exact;      /* rows have two columns */
    Py_ssize_t count[2];
} Change;

/* The whole text by `members`, rows into the scratch. 0: it is something else, or unusual (or MemoryError is set). */
int read_change(const char *text, Py_ssize_t length, Members *members, Change *change);

#endif
