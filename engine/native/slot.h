#ifndef PREMIA_SLOT_H
#define PREMIA_SLOT_H

#include "native.h"

/* An attribute in the `__slots__` of a class (or the field of a msgspec.Struct): read and written in its place. */
typedef struct {
    PyObject *descriptor;
    PyTypeObject *type;
    Py_ssize_t offset;
} Slot;

int slot_from(Slot *slot, PyObject *descriptor); /* -1 with TypeError */

/* Where the slot is in `object`; NULL where that is of another class. What stands there may be NULL. */
static inline PyObject **slot_in(const Slot *slot, PyObject *object)
{
    return Py_IS_TYPE(object, slot->type) ? (PyObject **)((char *)object + slot->offset) : NULL;
}

#endif
