/* The compiled book: levels, book, walks over them, and the reader of book frames. One thread, under the GIL. */
#ifndef PREMIA_NATIVE_H
#define PREMIA_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

typedef struct {
    double price;
    double size;
} Level;

/* Immutable (price, size) pairs. Holds no Python object, so the garbage collector never walks it. */
typedef struct {
    PyObject_VAR_HEAD
    Level rows[];
} Levels;

enum { BID = 0, ASK = 1 };

/* What Python reads of a book after each frame, several times: objects in slots, which it reads without a call. */
enum { BEST_BID, BEST_ASK, IS_SYNCED, IS_CROSSED, IS_TWO_SIDED, TOPS, SEEN_NS, VENUE_TS_MS, SHOWN };

/* A side is `whole` (as it came, best first) until it is changed; then `rows` (best last: changes are near the touch). */
typedef struct {
    PyObject_HEAD
    Levels *whole[2]; /* both or neither */
    Level *rows[2];
    Py_ssize_t count[2];
    Py_ssize_t room[2];
    double best[2];
    long long updates;
    long long tops;
    long long due_ns; /* its keeper's */
    PyObject *shown[SHOWN];
} Book;

extern PyTypeObject Levels_Type, Book_Type, Books_Type, Cursor_Type, Reader_Type, Follower_Type;

/* A copy. NULL with MemoryError. */
Levels *levels_new(const Level *rows, Py_ssize_t count);

/* A new reference: `rows` itself where it is Levels, else a copy of its pairs. NULL with TypeError or ValueError. */
Levels *levels_from(PyObject *rows);

/* Changed levels, a whole book: bids, asks, seen_ns, venue_ts_ms. -1 with an exception. */
int book_change(Book *book, PyObject *const args[4]);
int book_replace(Book *book, PyObject *const args[4]);

PyObject *native_walk(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *native_walk_amount(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *native_best_size(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* The `at`-th level of a cursor's side, best first, whatever became of the book meanwhile; 0 past its end. */
typedef struct {
    PyObject_HEAD
    Book *book;
    int side;
    Py_ssize_t at;
} Cursor;

int cursor_next(Cursor *cursor, Level *level);

#endif
