#include "slot.h"
#include <stddef.h>
#include <structmember.h>

/* The fields of both events, in this order; the last four as a book takes them. */
enum { OF_SYMBOL, OF_BIDS, OF_ASKS, OF_SEEN, OF_TIME, FIELDS };

/* The books of one venue. Its dict and its events are Python's own. */
typedef struct {
    PyObject_HEAD
    PyObject *by_symbol;
    PyObject *last;
    Slot delta[FIELDS];
    Slot snapshot[FIELDS];
} Books;

/* New references to the values in `slots` of an event; -1 with an exception, and none. */
static int read_event(const Slot slots[FIELDS], PyObject *event, PyObject *values[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        PyObject **place = slot_in(&slots[i], event);
        if (place == NULL || *place == NULL) {
            PyErr_SetString(PyExc_TypeError, "a change of a book or a whole one is wanted");
            return -1;
        }
        values[i] = *place;
    }
    for (int i = 0; i < FIELDS; i++)
        Py_INCREF(values[i]);
    return 0;
}

/* A new reference to the book; NULL with an exception, or without one where it is not there. */
static PyObject *book_of(Books *books, PyObject *symbol)
{
    PyObject *book = PyDict_GetItemWithError(books->by_symbol, symbol);
    if (book != NULL && !Py_IS_TYPE(book, &Book_Type)) {
        PyErr_SetString(PyExc_TypeError, "no book of ours");
        return NULL;
    }
    Py_XINCREF(book);
    return book;
}

static PyObject *books_take(PyObject *self, PyObject *event)
{
    Books *books = (Books *)self;
    int is_delta = Py_IS_TYPE(event, books->delta[0].type);
    PyObject *values[FIELDS]; /* kept: to make levels of lists may run Python code */
    if (read_event(is_delta ? books->delta : books->snapshot, event, values) < 0)
        return NULL;
    PyObject *book = book_of(books, values[OF_SYMBOL]);
    int (*take)(Book *, PyObject *const *) = is_delta ? book_change : book_replace;
    if (book != NULL && take((Book *)book, &values[OF_BIDS]) < 0)
        Py_CLEAR(book);
    for (int i = 0; i < FIELDS; i++)
        Py_DECREF(values[i]);
    if (book == NULL) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    if (book != books->last) {
        Py_INCREF(book);
        Py_XSETREF(books->last, book);
    }
    return book;
}

static int slots_from(Slot slots[FIELDS], PyObject *fields)
{
    for (int i = 0; i < FIELDS; i++)
        if (slot_from(&slots[i], PyTuple_GET_ITEM(fields, i)) < 0)
            return -1;
    return 0;
}

static PyObject *books_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *delta, *snapshot;
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &delta, &PyTuple_Type, &snapshot))
        return NULL;
    if (PyTuple_GET_SIZE(delta) != FIELDS || PyTuple_GET_SIZE(snapshot) != FIELDS) {
        PyErr_Format(PyExc_ValueError, "the %d fields of each event are wanted", FIELDS);
        return NULL;
    }
    Books *books = (Books *)type->tp_alloc(type, 0); /* all zero */
    if (books != NULL && ((books->by_symbol = PyDict_New()) == NULL || slots_from(books->delta, delta) < 0 ||
                          slots_from(books->snapshot, snapshot) < 0))
        Py_CLEAR(books);
    return (PyObject *)books;
}

static void books_dealloc(PyObject *self)
{
    Books *books = (Books *)self;
    for (int i = 0; i < FIELDS; i++) {
        Py_XDECREF(books->delta[i].descriptor);
        Py_XDECREF(books->snapshot[i].descriptor);
    }
    Py_XDECREF(books->by_symbol);
    Py_XDECREF(books->last);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef books_methods[] = {
    {"take", books_take, METH_O, "Change the event's book, and return it; None where it is not there."},
    {NULL},
};
static PyMemberDef books_members[] = {
    {"by_symbol", T_OBJECT_EX, offsetof(Books, by_symbol), READONLY, NULL},
    {"last", T_OBJECT, offsetof(Books, last), READONLY, NULL},
    {NULL},
};

PyTypeObject Books_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Books",
    .tp_doc = "The books of one venue; the same answers as engine.market.books.PlainBooks.",
    .tp_basicsize = sizeof(Books),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = books_make,
    .tp_dealloc = books_dealloc,
    .tp_methods = books_methods,
    .tp_members = books_members,
};
