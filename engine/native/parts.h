/* What a follower reads of a frame: the members of its objects and what each is to it. Made once from Python's tables. */
#ifndef PREMIA_PARTS_H
#define PREMIA_PARTS_H

#include "native.h"

/* As engine/venues/followed.py numbers them. Those up to TIME are whole numbers of a frame, in quotes or not. */
enum { FIRST, LAST, PREVIOUS, SENT, TIME, WHOLE, SYMBOL, TOPIC, BIDS, ASKS, ANY, NEVER, SAME, HOLDS, MEMBERS, ONLY };
enum { NUMBERS = TIME + 1, MOST_PARTS = 12 };

typedef struct Members Members;
typedef struct {
    PyObject *name;    /* bytes: the key as it stands in a frame, `"ts":` */
    int role;
    PyObject *text;    /* bytes of SAME (the value as it stands, with its quotes) and HOLDS (a part of a text) */
    Members *members;  /* of MEMBERS, and of the object that ONLY has alone in its list */
} Part;

struct Members {
    int count;
    unsigned wanted;               /* bits of those that must be there */
    Part parts[MOST_PARTS];
};

/* ((key, role, is it wanted, text or None, members or None), …). NULL with an exception. */
Members *members_from(PyObject *table);
void members_free(Members *members);

#endif
