#include "rows.h"

enum { REMEMBERED = 4096, LONGEST_REMEMBERED = 48, FIRST_ROOM = 256 };

static PyObject *remembered[REMEMBERED];
struct Scratch scratch[2];

PyObject *text_of(const char *begin, Py_ssize_t length)
{
    if (length > LONGEST_REMEMBERED)
        return PyUnicode_DecodeASCII(begin, length, NULL);
    unsigned int hash = 2166136261u;
    for (Py_ssize_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)begin[i]) * 16777619u;
    PyObject **place = &remembered[(hash ^ hash >> 15) % REMEMBERED], *known = *place;
    if (known == NULL || PyUnicode_GET_LENGTH(known) != length || memcmp(PyUnicode_DATA(known), begin, (size_t)length)) {
        if ((known = PyUnicode_DecodeASCII(begin, length, NULL)) == NULL)
            return NULL;
        Py_XSETREF(*place, known);
    }
    Py_INCREF(known);
    return known;
}

int more_scratch(int side)
{
    Py_ssize_t room = scratch[side].room ? scratch[side].room * 2 : FIRST_ROOM;
    Level *rows = PyMem_Realloc(scratch[side].rows, (size_t)room * sizeof(Level));
    if (rows == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    scratch[side].rows = rows;
    scratch[side].room = room;
    return 0;
}
