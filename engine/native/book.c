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

static inline void show(Book *book, int which, PyObject *value)
{
    PyObject *old = book->shown[which];
    book->shown[which] = value;
    Py_DECREF(old);
}

static inline void show_whether(Book *book, int which, int is_so)
{
    PyObject *value = is_so ? Py_True : Py_False;
    Py_INCREF(value);
    show(book, which, value);
}

/* -1 with MemoryError. */
static int show_best(Book *book, int side, int which, double price)
{
    PyObject *shown = PyFloat_FromDouble(price);
    if (shown == NULL)
        return -1;
    show(book, which, shown);
    book->best[side] = price;
    return 0;
}

/* One more top. -1 with MemoryError. */
static int show_top(Book *book, double bid, double ask)
{
    PyObject *tops = PyLong_FromLongLong(book->tops + 1);
    if (tops == NULL)
        return -1;
    book->tops++;
    show(book, TOPS, tops);
    if (bid != book->best[BID] && show_best(book, BID, BEST_BID, bid) < 0)
        return -1;
    if (ask != book->best[ASK] && show_best(book, ASK, BEST_ASK, ask) < 0)
        return -1;
    show_whether(book, IS_CROSSED, bid >= ask && ask > 0.0);
    show_whether(book, IS_TWO_SIDED, bid > 0.0 && ask > 0.0);
    return 0;
}

static double best_of(const Book *book, int side)
{
    Py_ssize_t count = book->count[side];
    return count ? book->rows[side][count - 1].price : 0.0;
}

/* -1 with MemoryError. */
static int change_sides(Book *book, Levels *changed[2])
{
    if (book->whole[BID] != NULL && open_whole(book) < 0)
        return -1;
    for (int side = BID; side <= ASK; side++)
        if (make_room(book, side, book->count[side] + Py_SIZE(changed[side])) < 0)
            return -1;
    for (int side = BID; side <= ASK; side++) {
        const Level *rows = changed[side]->rows;
        for (Py_ssize_t i = 0; i < Py_SIZE(changed[side]); i++)
            if (rows[i].size != 0.0)
                put(book, side, &rows[i]);
            else
                delete(book, side, rows[i].price);
    }
    double bid = best_of(book, BID), ask = best_of(book, ASK);
    return bid != book->best[BID] || ask != book->best[ASK] ? show_top(book, bid, ask) : 0;
}

/* Bids and asks as new references; -1 with an exception. */
static int read_sides(PyObject *const args[4], Levels *sides[2])
{
    if (!PyLong_Check(args[2]) || !PyLong_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "seen_ns and venue_ts_ms are whole numbers");
        return -1;
    }
    if ((sides[BID] = levels_from(args[0])) == NULL)
        return -1;
    if ((sides[ASK] = levels_from(args[1])) == NULL) {
        Py_DECREF(sides[BID]);
        return -1;
    }
    return 0;
}

static int updated(Book *book, PyObject *const args[4])
{
    book->updates++;
    Py_INCREF(args[2]);
    show(book, SEEN_NS, args[2]);
    Py_INCREF(args[3]);
    show(book, VENUE_TS_MS, args[3]);
    return 0;
}

int book_change(Book *book, PyObject *const args[4])
{
    Levels *sides[2];
    if (read_sides(args, sides) < 0)
        return -1;
    int failed = Py_SIZE(sides[BID]) + Py_SIZE(sides[ASK]) > 0 && change_sides(book, sides) < 0;
    Py_DECREF(sides[BID]);
    Py_DECREF(sides[ASK]);
    return failed ? -1 : updated(book, args);
}

int book_replace(Book *book, PyObject *const args[4])
{
    Levels *sides[2];
    if (read_sides(args, sides) < 0)
        return -1;
    double bid = Py_SIZE(sides[BID]) ? sides[BID]->rows[0].price : 0.0;
    double ask = Py_SIZE(sides[ASK]) ? sides[ASK]->rows[0].price : 0.0;
    int moved = bid != book->best[BID] || ask != book->best[ASK] || book->shown[IS_SYNCED] != Py_True;
    if (moved && show_top(book, bid, ask) < 0) {
        Py_DECREF(sides[BID]);
        Py_DECREF(sides[ASK]);
        return -1;
    }
    Py_XSETREF(book->whole[BID], sides[BID]);
    Py_XSETREF(book->whole[ASK], sides[ASK]);
    show_whether(book, IS_SYNCED, 1);
    return updated(book, args);
}

static PyObject *called(int (*take)(Book *, PyObject *const *), PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "bids, asks, seen_ns and venue_ts_ms are wanted");
        return NULL;
    }
    if (take((Book *)self, args) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *call_change(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return called(book_change, self, args, count);
}

static PyObject *call_replace(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return called(book_replace, self, args, count);
}

static PyObject *book_drop(PyObject *self, PyObject *ignored)
{
    Book *book = (Book *)self;
    if (show_top(book, 0.0, 0.0) < 0)
        return NULL;
    for (int side = BID; side <= ASK; side++) {
        Py_CLEAR(book->whole[side]);
        book->count[side] = 0;
    }
    show_whether(book, IS_SYNCED, 0);
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

static PyObject *book_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Book *book = (Book *)PyType_GenericNew(type, args, kwargs);
    PyObject *price = PyFloat_FromDouble(0.0), *number = PyLong_FromLong(0);
    if (book == NULL || price == NULL || number == NULL) {
        Py_CLEAR(book);
    } else {
        for (int which = 0; which < SHOWN; which++) {
            PyObject *value = which <= BEST_ASK ? price : which < TOPS ? Py_False : number;
            Py_INCREF(book->shown[which] = value);
        }
    }
    Py_XDECREF(price);
    Py_XDECREF(number);
    return (PyObject *)book;
}

static void book_dealloc(PyObject *self)
{
    Book *book = (Book *)self;
    for (int side = BID; side <= ASK; side++) {
        Py_XDECREF(book->whole[side]);
        PyMem_Free(book->rows[side]);
    }
    for (int which = 0; which < SHOWN; which++)
        Py_XDECREF(book->shown[which]);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef book_methods[] = {
    {"change", (PyCFunction)(void (*)(void))call_change, METH_FASTCALL, "Take changed levels; size 0 deletes."},
    {"replace", (PyCFunction)(void (*)(void))call_replace, METH_FASTCALL, "Take a whole book, sides best first."},
    {"drop", book_drop, METH_NOARGS, "Forget everything until the next whole book."},
    {"bids", book_bids, METH_NOARGS, "Levels best first."},
    {"asks", book_asks, METH_NOARGS, "Levels best first."},
    {"depth", book_depth, METH_NOARGS, "Number of levels: (bids, asks)."},
    {NULL},
};
#define SHOWS(name, which) {name, T_OBJECT_EX, offsetof(Book, shown[which]), READONLY, NULL}
static PyMemberDef book_members[] = {
    SHOWS("best_bid", BEST_BID),
    SHOWS("best_ask", BEST_ASK),
    SHOWS("synced", IS_SYNCED),
    SHOWS("is_crossed", IS_CROSSED),
    SHOWS("is_two_sided", IS_TWO_SIDED),
    SHOWS("tops", TOPS),
    SHOWS("seen_ns", SEEN_NS),
    SHOWS("venue_ts_ms", VENUE_TS_MS),
    {"updates", T_LONGLONG, offsetof(Book, updates), READONLY, NULL},
    {"due_ns", T_LONGLONG, offsetof(Book, due_ns), 0, NULL},
    {NULL},
};

PyTypeObject Book_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Book",
    .tp_doc = "One order book; the same answers as engine.market.book.PlainBook.",
    .tp_basicsize = sizeof(Book),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = book_make,
    .tp_dealloc = book_dealloc,
    .tp_methods = book_methods,
    .tp_members = book_members,
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
