#include "native.h"
#include <stddef.h>
#include <string.h>
#include <structmember.h>

enum { FEW = 8, LEAST_ROOM = 32 };

static inline int is_worse(const Level *row, double price, int side)
{
    return side == BID ? row->price < price : row->price > price;
}

/* How many rows are worse than `price`: near the touch one by one, else by halves without a branch to guess wrong. */
static Py_ssize_t place_of(const Level *rows, Py_ssize_t count, double price, int side)
{
    Py_ssize_t low = count > FEW ? count - FEW : 0;
    if (low == 0 || is_worse(&rows[low - 1], price, side)) {
        while (count > low && !is_worse(&rows[count - 1], price, side))
            count--;
        return count;
    }
    const Level *base = rows;
    while (low > 1) {
        Py_ssize_t half = low / 2;
        base += is_worse(&base[half - 1], price, side) ? half : 0;
        low -= half;
    }
    return base - rows + is_worse(base, price, side);
}

/* Room for `wanted` rows; -1 with MemoryError. */
static int make_room(Book *book, int side, Py_ssize_t wanted)
{
    if (wanted <= book->room[side])
        return 0;
    Py_ssize_t room = book->room[side] ? book->room[side] : LEAST_ROOM;
    while (room < wanted)
        room *= 2;
    Level *rows = PyMem_Realloc(book->rows[side], (size_t)room * sizeof(Level));
    if (rows == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    book->rows[side] = rows;
    book->room[side] = room;
    return 0;
}

/* One level over what is held at its price. The room for it was made before. */
static void put(Book *book, int side, const Level *level)
{
    Level *rows = book->rows[side];
    Py_ssize_t count = book->count[side], at = place_of(rows, count, level->price, side);
    if (at < count && rows[at].price == level->price) {
        rows[at].size = level->size;
        return;
    }
    memmove(&rows[at + 1], &rows[at], (size_t)(count - at) * sizeof(Level));
    rows[at] = *level;
    book->count[side] = count + 1;
}

static void delete(Book *book, int side, double price)
{
    Level *rows = book->rows[side];
    Py_ssize_t count = book->count[side], at = place_of(rows, count, price, side);
    if (at < count && rows[at].price == price) {
        memmove(&rows[at], &rows[at + 1], (size_t)(count - at - 1) * sizeof(Level));
        book->count[side] = count - 1;
    }
}

/* The whole book becomes one that can be changed. Worst first, so that each level goes on top of the others. */
static int open_whole(Book *book)
{
    for (int side = BID; side <= ASK; side++)
        if (make_room(book, side, Py_SIZE(book->whole[side])) < 0)
            return -1;
    for (int side = BID; side <= ASK; side++) {
        Levels *whole = book->whole[side];
        book->count[side] = 0;
        for (Py_ssize_t i = Py_SIZE(whole); i > 0; i--) {
            const Level *level = &whole->rows[i - 1];
            Py_ssize_t count = book->count[side];
            if (count == 0 || is_worse(&book->rows[side][count - 1], level->price, side))
                book->rows[side][book->count[side]++] = *level;
            else
                put(book, side, level);
        }
        Py_CLEAR(book->whole[side]);
    }
    return 0;
}

/* -1 with MemoryError, and nothing changed. */
static int change_sides(Book *book, Levels *changed[2])
{
    if (book->whole[BID] != NULL && open_whole(book) < 0)
        return -1;
    for (int side = BID; side <= ASK; side++)
        if (make_room(book, side, book->count[side] + Py_SIZE(changed[side])) < 0)
            return -1;
    int moved = 0;
    for (int side = BID; side <= ASK; side++) {
        const Level *rows = changed[side]->rows;
        for (Py_ssize_t i = 0; i < Py_SIZE(changed[side]); i++)
            if (rows[i].size != 0.0)
                put(book, side, &rows[i]);
            else
                delete(book, side, rows[i].price);
        Py_ssize_t count = book->count[side];
        double best = count ? book->rows[side][count - 1].price : 0.0;
        moved |= best != book->best[side];
        book->best[side] = best;
    }
    book->tops += moved;
    return 0;
}

/* (bids, asks, seen_ns, venue_ts_ms) into new references and two numbers; -1 with an exception. */
static int read_update(PyObject *const *args, Py_ssize_t count, Levels *sides[2], long long when[2])
{
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "bids, asks, seen_ns and venue_ts_ms are wanted");
        return -1;
    }
    when[0] = PyLong_AsLongLong(args[2]);
    when[1] = PyLong_AsLongLong(args[3]);
    if (PyErr_Occurred() || (sides[BID] = levels_from(args[0])) == NULL)
        return -1;
    if ((sides[ASK] = levels_from(args[1])) == NULL) {
        Py_DECREF(sides[BID]);
        return -1;
    }
    return 0;
}

static PyObject *book_change(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Book *book = (Book *)self;
    Levels *sides[2];
    long long when[2];
    if (read_update(args, count, sides, when) < 0)
        return NULL;
    int failed = Py_SIZE(sides[BID]) + Py_SIZE(sides[ASK]) > 0 && change_sides(book, sides) < 0;
    Py_DECREF(sides[BID]);
    Py_DECREF(sides[ASK]);
    if (failed)
        return NULL;
    book->updates++;
    book->seen_ns = when[0];
    book->venue_ts_ms = when[1];
    Py_RETURN_NONE;
}

static PyObject *book_replace(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Book *book = (Book *)self;
    Levels *sides[2];
    long long when[2];
    if (read_update(args, count, sides, when) < 0)
        return NULL;
    int moved = !book->synced;
    for (int side = BID; side <= ASK; side++) {
        double best = Py_SIZE(sides[side]) ? sides[side]->rows[0].price : 0.0;
        moved |= best != book->best[side];
        book->best[side] = best;
        Py_XSETREF(book->whole[side], sides[side]);
    }
    book->tops += moved;
    book->synced = 1;
    book->updates++;
    book->seen_ns = when[0];
    book->venue_ts_ms = when[1];
    Py_RETURN_NONE;
}

static PyObject *book_drop(PyObject *self, PyObject *ignored)
{
    Book *book = (Book *)self;
    for (int side = BID; side <= ASK; side++) {
        Py_CLEAR(book->whole[side]);
        book->count[side] = 0;
        book->best[side] = 0.0;
    }
    book->tops++;
    book->synced = 0;
    Py_RETURN_NONE;
}

static PyObject *cursor_over(PyObject *self, int side)
{
    Cursor *cursor = PyObject_New(Cursor, &Cursor_Type);
    if (cursor == NULL)
        return NULL;
    Py_INCREF(self);
    cursor->book = (Book *)self;
    cursor->side = side;
    cursor->at = 0;
    return (PyObject *)cursor;
}

static PyObject *book_bids(PyObject *self, PyObject *ignored) { return cursor_over(self, BID); }

static PyObject *book_asks(PyObject *self, PyObject *ignored) { return cursor_over(self, ASK); }

static Py_ssize_t depth_of(Book *book, int side)
{
    return book->whole[side] != NULL ? Py_SIZE(book->whole[side]) : book->count[side];
}

static PyObject *book_depth(PyObject *self, PyObject *ignored)
{
    return Py_BuildValue("nn", depth_of((Book *)self, BID), depth_of((Book *)self, ASK));
}

static PyObject *book_is_crossed(PyObject *self, void *ignored)
{
    Book *book = (Book *)self;
    return PyBool_FromLong(book->best[BID] >= book->best[ASK] && book->best[ASK] > 0.0);
}

static PyObject *book_is_two_sided(PyObject *self, void *ignored)
{
    Book *book = (Book *)self;
    return PyBool_FromLong(book->best[BID] > 0.0 && book->best[ASK] > 0.0);
}

static void book_dealloc(PyObject *self)
{
    Book *book = (Book *)self;
    for (int side = BID; side <= ASK; side++) {
        Py_XDECREF(book->whole[side]);
        PyMem_Free(book->rows[side]);
    }
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef book_methods[] = {
    {"change", (PyCFunction)(void (*)(void))book_change, METH_FASTCALL, "Take changed levels; size 0 deletes."},
    {"replace", (PyCFunction)(void (*)(void))book_replace, METH_FASTCALL, "Take a whole book, sides best first."},
    {"drop", book_drop, METH_NOARGS, "Forget everything until the next whole book."},
    {"bids", book_bids, METH_NOARGS, "Levels best first."},
    {"asks", book_asks, METH_NOARGS, "Levels best first."},
    {"depth", book_depth, METH_NOARGS, "Number of levels: (bids, asks)."},
    {NULL},
};
static PyMemberDef book_members[] = {
    {"best_bid", T_DOUBLE, offsetof(Book, best[BID]), READONLY, NULL},
    {"best_ask", T_DOUBLE, offsetof(Book, best[ASK]), READONLY, NULL},
    {"synced", T_BOOL, offsetof(Book, synced), READONLY, NULL},
    {"updates", T_LONGLONG, offsetof(Book, updates), READONLY, NULL},
    {"tops", T_LONGLONG, offsetof(Book, tops), READONLY, NULL},
    {"seen_ns", T_LONGLONG, offsetof(Book, seen_ns), READONLY, NULL},
    {"venue_ts_ms", T_LONGLONG, offsetof(Book, venue_ts_ms), READONLY, NULL},
    {NULL},
};
static PyGetSetDef book_claims[] = {
    {"is_crossed", book_is_crossed, NULL, NULL, NULL},
    {"is_two_sided", book_is_two_sided, NULL, NULL, NULL},
    {NULL},
};

PyTypeObject Book_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Book",
    .tp_doc = "One order book; the same answers as engine.market.book.PlainBook.",
    .tp_basicsize = sizeof(Book),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = book_dealloc,
    .tp_methods = book_methods,
    .tp_members = book_members,
    .tp_getset = book_claims,
};

int cursor_next(Cursor *cursor, Level *level)
{
    Book *book = cursor->book;
    Py_ssize_t count = depth_of(book, cursor->side), at = cursor->at;
    if (at >= count)
        return 0;
    const Levels *whole = book->whole[cursor->side];
    *level = whole != NULL ? whole->rows[at] : book->rows[cursor->side][count - 1 - at];
    cursor->at = at + 1;
    return 1;
}

static PyObject *cursor_iternext(PyObject *self)
{
    Level level;
    if (!cursor_next((Cursor *)self, &level))
        return NULL;
    return Py_BuildValue("dd", level.price, level.size);
}

static void cursor_dealloc(PyObject *self)
{
    Py_DECREF(((Cursor *)self)->book);
    PyObject_Free(self);
}

PyTypeObject Cursor_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Cursor",
    .tp_doc = "Levels of one side of a book, best first.",
    .tp_basicsize = sizeof(Cursor),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = cursor_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = cursor_iternext,
};
