#include "parts.h"

void members_free(Members *members)
{
    if (members == NULL)
        return;
    for (int i = 0; i < members->count; i++) {
        Py_XDECREF(members->parts[i].name);
        Py_XDECREF(members->parts[i].text);
        members_free(members->parts[i].members);
    }
    PyMem_Free(members);
}

/* -1 with an exception; what was made until then is the part's. */
static int part_from(Part *part, PyObject *row, int *is_wanted)
{
    PyObject *text, *inner;
    if (!PyTuple_Check(row) || !PyArg_ParseTuple(row, "SipOO", &part->name, &part->role, is_wanted, &text, &inner)) {
        part->name = NULL;
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a part is a tuple");
        return -1;
    }
    Py_INCREF(part->name);
    if (text != Py_None)
        Py_INCREF(part->text = text);
    if (inner != Py_None && (part->members = members_from(inner)) == NULL)
        return -1;
    int has_text = part->role == SAME || part->role == HOLDS, has_members = part->role == MEMBERS || part->role == ONLY;
    if (part->role < FIRST || part->role > ONLY || has_members != (part->members != NULL) ||
        has_text != (part->text != NULL && PyBytes_Check(part->text)) || PyBytes_GET_SIZE(part->name) < 3) {
        PyErr_SetString(PyExc_ValueError, "no part of a frame");
        return -1;
    }
    return 0;
}

Members *members_from(PyObject *table)
{
    Py_ssize_t count = PyTuple_Check(table) ? PyTuple_GET_SIZE(table) : 0;
    if (count < 1 || count > MOST_PARTS) {
        PyErr_Format(PyExc_ValueError, "%zd parts: from one to %d in a tuple", count, MOST_PARTS);
        return NULL;
    }
    Members *members = PyMem_Calloc(1, sizeof(Members));
    if (members == NULL)
        return (Members *)PyErr_NoMemory();
    for (int i = 0; i < count; i++) {
        int is_wanted = 0;
        members->count = i + 1;
        if (part_from(&members->parts[i], PyTuple_GET_ITEM(table, i), &is_wanted) < 0) {
            members_free(members);
            return NULL;
        }
        members->wanted |= is_wanted ? 1u << i : 0u;
    }
    return members;
}
