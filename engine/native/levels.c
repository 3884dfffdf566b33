#include "native.h"
#include <stdlib.h>
#include <string.h>

Levels *levels_new(const Level *rows, Py_ssize_t count)
{
    static Levels *none; /* one for all: nearly half of all changes touch one side only */
    if (count == 0 && none != NULL) {
        Py_INCREF(none);
        return none;
    }
    Levels *made = PyObject_NewVar(Levels, &Levels_Type, count);
    if (made != NULL && count == 0)
        Py_INCREF(none = made);
    if (made != NULL && count > 0)
        memcpy(made->rows, rows, (size_t)count * sizeof(Level));
    return made;
}

/* (price, size) of one Python pair; -1 with an exception. */
static int pair_from(PyObject *item, Level *level)
{
    PyObject *pair = PySequence_Fast(item, "a level is a pair of numbers");
    if (pair == NULL)
        return -1;
    if (PySequence_Fast_GET_SIZE(pair) != 2) {
        Py_DECREF(pair);
        PyErr_SetString(PyExc_ValueError, "a level is a pair of numbers");
        return -1;
    }
    level->price = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(pair, 0));
    level->size = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(pair, 1));
    Py_DECREF(pair);
    return PyErr_Occurred() ? -1 : 0;
}

Levels *levels_from(PyObject *rows)
{
    if (Py_IS_TYPE(rows, &Levels_Type)) {
        Py_INCREF(rows);
        return (Levels *)rows;
    }
    /* A tuple of its own: converting a pair may run Python code, which must not shorten what is walked here. */
    PyObject *held = PySequence_Tuple(rows);
    if (held == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(held);
    Levels *made = PyObject_NewVar(Levels, &Levels_Type, count);
    for (Py_ssize_t i = 0; made != NULL && i < count; i++)
        if (pair_from(PyTuple_GET_ITEM(held, i), &made->rows[i]) < 0)
            Py_CLEAR(made);
    Py_DECREF(held);
    return made;
}

static PyObject *levels_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *rows = NULL;
    static char *names[] = {"", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Levels", names, &rows))
        return NULL;
    return rows == NULL ? (PyObject *)levels_new(NULL, 0) : (PyObject *)levels_from(rows);
}

static Py_ssize_t levels_len(PyObject *self) { return Py_SIZE(self); }

static PyObject *pair_of(const Level *level)
{
    PyObject *pair = PyTuple_New(2);
    if (pair == NULL)
        return NULL;
    PyObject *price = PyFloat_FromDouble(level->price), *size = PyFloat_FromDouble(level->size);
    PyTuple_SET_ITEM(pair, 0, price);
    PyTuple_SET_ITEM(pair, 1, size);
    if (price == NULL || size == NULL)
        Py_CLEAR(pair);
    return pair;
}

static PyObject *levels_item(PyObject *self, Py_ssize_t at)
{
    if (at < 0 || at >= Py_SIZE(self)) {
        PyErr_SetString(PyExc_IndexError, "levels index out of range");
        return NULL;
    }
    return pair_of(&((Levels *)self)->rows[at]);
}

static PyObject *levels_subscript(PyObject *self, PyObject *key)
{
    if (!PySlice_Check(key)) {
        Py_ssize_t at = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (at == -1 && PyErr_Occurred())
            return NULL;
        return levels_item(self, at < 0 ? at + Py_SIZE(self) : at);
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return NULL;
    Py_ssize_t count = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
    Levels *made = PyObject_NewVar(Levels, &Levels_Type, count);
    for (Py_ssize_t i = 0; made != NULL && i < count; i++)
        made->rows[i] = ((Levels *)self)->rows[start + i * step];
    return (PyObject *)made;
}

static int levels_same(const Levels *one, const Levels *other)
{
    if (Py_SIZE(one) != Py_SIZE(other))
        return 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(one); i++)
        if (one->rows[i].price != other->rows[i].price || one->rows[i].size != other->rows[i].size)
            return 0;
    return 1;
}

/* Equal to Levels, lists and tuples of the same pairs; -1 with an exception. */
static int levels_equal(Levels *self, PyObject *other)
{
    if (Py_IS_TYPE(other, &Levels_Type))
        return levels_same(self, (Levels *)other);
    int equal = PySequence_Fast_GET_SIZE(other) == Py_SIZE(self);
    for (Py_ssize_t i = 0; equal > 0 && i < Py_SIZE(self); i++) {
        if (i >= PySequence_Fast_GET_SIZE(other)) /* a comparison may run Python code */
            return 0;
        PyObject *theirs = PySequence_Fast_GET_ITEM(other, i), *ours = pair_of(&self->rows[i]);
        if (ours == NULL)
            return -1;
        Py_INCREF(theirs);
        equal = PyObject_RichCompareBool(ours, theirs, Py_EQ);
        Py_DECREF(theirs);
        Py_DECREF(ours);
    }
    return equal;
}

static PyObject *levels_compare(PyObject *self, PyObject *other, int how)
{
    int known = Py_IS_TYPE(other, &Levels_Type) || PyList_Check(other) || PyTuple_Check(other);
    if (!known || (how != Py_EQ && how != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    int equal = levels_equal((Levels *)self, other);
    return equal < 0 ? NULL : PyBool_FromLong(equal == (how == Py_EQ));
}

static PyObject *levels_repr(PyObject *self)
{
    PyObject *rows = PySequence_List(self), *text = NULL;
    if (rows != NULL)
        text = PyUnicode_FromFormat("Levels(%R)", rows);
    Py_XDECREF(rows);
    return text;
}

static PyObject *levels_reduce(PyObject *self, PyObject *ignored)
{
    PyObject *rows = PySequence_List(self);
    return rows == NULL ? NULL : Py_BuildValue("O(N)", &Levels_Type, rows);
}

/* As pairs compare: by price, then by size. */
static int rising(const void *one, const void *other)
{
    const Level *a = one, *b = other;
    if (a->price != b->price)
        return a->price < b->price ? -1 : 1;
    return (a->size > b->size) - (a->size < b->size);
}

static int falling(const void *one, const void *other) { return rising(other, one); }

static PyObject *levels_best_first(PyObject *self, PyObject *highest)
{
    int is_bids = PyObject_IsTrue(highest);
    if (is_bids < 0)
        return NULL;
    int (*order)(const void *, const void *) = is_bids ? falling : rising;
    const Levels *from = (Levels *)self;
    Py_ssize_t kept = 0, sorted = 1;
    for (Py_ssize_t i = 0; i < Py_SIZE(from); i++) {
        kept += from->rows[i].price != 0.0 && from->rows[i].size != 0.0;
        sorted &= i == 0 || order(&from->rows[i - 1], &from->rows[i]) <= 0;
    }
    if (sorted && kept == Py_SIZE(from)) {
        Py_INCREF(self);
        return self;
    }
    Levels *made = PyObject_NewVar(Levels, &Levels_Type, kept);
    if (made == NULL)
        return NULL;
    for (Py_ssize_t i = 0, at = 0; i < Py_SIZE(from); i++)
        if (from->rows[i].price != 0.0 && from->rows[i].size != 0.0)
            made->rows[at++] = from->rows[i];
    qsort(made->rows, (size_t)kept, sizeof(Level), order);
    return (PyObject *)made;
}

static PyObject *levels_priced(PyObject *self, PyObject *ignored)
{
    const Levels *from = (Levels *)self;
    Py_ssize_t kept = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(from); i++)
        kept += from->rows[i].price != 0.0;
    if (kept == Py_SIZE(from)) {
        Py_INCREF(self);
        return self;
    }
    Levels *made = PyObject_NewVar(Levels, &Levels_Type, kept);
    for (Py_ssize_t i = 0, at = 0; made != NULL && i < Py_SIZE(from); i++)
        if (from->rows[i].price != 0.0)
            made->rows[at++] = from->rows[i];
    return (PyObject *)made;
}

static PySequenceMethods levels_sequence = {.sq_length = levels_len, .sq_item = levels_item};
static PyMappingMethods levels_mapping = {.mp_length = levels_len, .mp_subscript = levels_subscript};
static PyMethodDef levels_methods[] = {
    {"best_first", levels_best_first, METH_O, "Without zeros, sorted: the highest first, or the lowest."},
    {"priced", levels_priced, METH_NOARGS, "Without those at price 0."},
    {"__reduce__", levels_reduce, METH_NOARGS, NULL},
    {NULL},
};

PyTypeObject Levels_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Levels",
    .tp_doc = "Immutable levels: a sequence of (price, size), both floats.",
    .tp_basicsize = sizeof(Levels),
    .tp_itemsize = sizeof(Level),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_SEQUENCE,
    .tp_new = levels_make,
    .tp_as_sequence = &levels_sequence,
    .tp_as_mapping = &levels_mapping,
    .tp_richcompare = levels_compare,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_repr = levels_repr,
    .tp_methods = levels_methods,
};
