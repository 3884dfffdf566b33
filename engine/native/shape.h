#ifndef PREMIA_SHAPE_H
#define PREMIA_SHAPE_H

#include "native.h"

/* What stands at one place of a frame. Made once from `engine.venues.typed`, read for every frame. */
enum { TEXT, INTEGER, REAL, TRUTH, ROWS, NAMED, UNITS, LIST, OBJECT };
enum { MOST_FIELDS = 8, MOST_COLUMNS = 4 };

typedef struct Node Node;
typedef struct {
    const char *key; /* within `name` */
    Py_ssize_t length;
    PyObject *name;
    PyObject *missing; /* its value where the frame has none; NULL: the frame must have it */
    Node *node;
} Field;

struct Node {
    int kind;
    int quoted;     /* numbers may stand in quotes */
    int exact;      /* rows have two columns; else what follows the second is passed over */
    int may_be_null;
    PyObject *made; /* OBJECT: what takes the fields' values, in their order */
    Node *inner;    /* of a LIST */
    int count;
    Field fields[MOST_FIELDS];
};

/* From the tuples that engine.venues.typed makes. NULL with an exception. */
Node *node_from(PyObject *shape);
void node_free(Node *node);

#endif
