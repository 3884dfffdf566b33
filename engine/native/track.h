/* One kind of frame that a follower takes: how it is read, and where Python keeps what it must follow. */
#ifndef PREMIA_TRACK_H
#define PREMIA_TRACK_H

#include "change.h"
#include "slot.h"

enum { MOST_MUSTS = 4 };
enum { STEP, LINK }; /* how a change follows: its first id is the next one; it names the last one */

typedef struct {
    PyObject *begins; /* bytes */
    PyObject *stem;   /* bytes before the symbol, which a point ends; NULL: the text is the symbol */
    Members *members;
    Habit habit;
    unsigned misses; /* frames in a row that were not taken */
    PyObject *chains; /* dict: symbol -> chain */
    PyObject *venue;
    Slot guard;       /* of a chain; its value None: the book is not live */
    Slot last;        /* of a guard: the id that the next change must follow */
    Slot topic;       /* of a chain; without a descriptor: there is none */
    Slot musts[MOST_MUSTS];            /* of a chain or of its guard … */
    PyObject *values[MOST_MUSTS];      /* … and what must stand there, the very object */
    int must_count;
    int rule;
    int exact;        /* rows have two columns */
    int is_priced;    /* a level at price 0 is not told: such a frame is not taken */
    long long per_ms; /* of the venue's time */
} Track;

int track_from(Track *track, PyObject *table); /* -1 with an exception; what was made until then is the track's */
void track_clear(Track *track);

/* Whether `change` plainly follows the book that it names: then the guard's place, a new reference to the guard and to
   the symbol are given. 0: it does not, nothing is given. -1 with MemoryError. */
int track_follows(const Track *track, const Change *change, PyObject **symbol, PyObject **guard);

#endif
