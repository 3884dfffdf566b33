#include "rows.h"

enum { REMEMBERED = 4096, LONGEST_REMEMBERED = 48, FIRST_ROOM = 256 };

static PyObject *remembered[REMEMBERED];
struct Scratch scratch[2];

PyObject *text_of(const char *begin, Py_ssize_t length)
{
    if (length > LONGEST_REMEMBERED)
        return PyUnicode_DecodeASCII(begin, length, NULL);
    uint64_t hash = (uint64_t)length;
    for (Py_ssize_t at = 0; at < length; at += (Py_ssize_t)sizeof hash) {
        uint64_t word = 0;
        if (length - at >= (Py_ssize_t)sizeof word)
            memcpy(&word, begin + at, sizeof word);
        else
            for (Py_ssize_t i = at; i < length; i++)
                word = word << 8 | (unsigned char)begin[i];
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    }
    PyObject **place = &remembered[(hash ^ hash >> 32) % REMEMBERED], *known = *place;
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
