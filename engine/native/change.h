/* One frame of a live book as a follower reads it: nothing of it is a Python object yet. */
#ifndef PREMIA_CHANGE_H
#define PREMIA_CHANGE_H

#include "parts.h"
#include <stdint.h>

enum { MOST_STEPS = 16, MOST_BETWEEN = 256, HEAD = 8 };

/* How frames of one track were written lately: a venue writes every one alike, so that what stands between the values
   is compared as it is, and keys are looked up only where it has changed. */
typedef struct {
    int count; /* of steps; 0: nothing is known yet */
    struct Step {
        const Part *part;    /* of the value; NULL: nobody asks for it */
        int role;            /* of that part */
        uint64_t head, mask; /* the first eight bytes before the value, and which of them count */
        int begin, length;   /* of all of them, in `between` */
    } steps[MOST_STEPS + 1]; /* the last one has no value: it is the end of a frame */
    char between[MOST_BETWEEN];
} Habit;

typedef struct {
    const char *end;     /* of the text */
    const char *text[2]; /* SYMBOL and TOPIC, within the text */
    Py_ssize_t length[2];
    long long numbers[NUMBERS];
    unsigned given; /* bits of those that stand in the frame */
    int exact;      /* rows have two columns */
    Py_ssize_t count[2];
    int value_count; /* of values; more than there is room for: they are not learned from */
    struct Value {
        const Part *part;
        const char *begin, *end;
    } values[MOST_STEPS];
} Change;

/* The whole text by `members`, rows into the scratch. 0: it is something else, or unusual (or MemoryError is set). */
int read_change(const char *text, Py_ssize_t length, Members *members, Habit *habit, Change *change);

#endif
