#include "rows.h"
#include "track.h"
#include <stddef.h>

enum { MOST_TRACKS = 4 };
/* A venue that writes otherwise shall not have its frames read twice: after so many in a row, one in so many is tried. */
enum { PATIENCE = 64, ONE_IN = 64 };
/* The fields of the event, in the order of its class, which has no others. */
enum { OF_VENUE, OF_SYMBOL, OF_BIDS, OF_ASKS, OF_TIME, OF_SEEN, FIELDS };

/* Takes frames that plainly continue a live book, from their bytes to the sink, and hands on every other one untouched.
   It keeps nothing of a book by itself: chains, guards and counters are Python's own, read and written in their slots. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *otherwise; /* (data, seen_ns) of every other frame */
    PyObject *sink;
    Slot fields[FIELDS];
    PyObject *spare;     /* the last event, where nobody kept it; else NULL */
    PyObject *counts;
    Slot counted[2];     /* frames, and those of books */
    long long taken;
    int count;
    Track tracks[MOST_TRACKS];
} Follower;

/* ms by the venue's clock; 0 where the frame does not say. */
static long long time_of(const Track *track, const Change *change)
{
    long long at = change->given & 1u << TIME ? change->numbers[TIME] : 0;
    if (track->per_ms > 1) /* a division takes as long as reading the number did */
        at /= track->per_ms;
    return at == 0 && change->given & 1u << SENT ? change->numbers[SENT] : at;
}

static inline PyObject **field_of(const Follower *follower, PyObject *event, int field)
{
    return (PyObject **)((char *)event + follower->fields[field].offset);
}

static inline void set_field(const Follower *follower, PyObject *event, int field, PyObject *value)
{
    PyObject **place = field_of(follower, event, field), *old = *place;
    *place = value;
    Py_XDECREF(old);
}

/* The rows of a side into the event: over those of its last life where these are as many and nobody has kept them. */
static int set_side(const Follower *follower, PyObject *event, int field, int side, Py_ssize_t count)
{
    PyObject *old = *field_of(follower, event, field);
    if (old != NULL && count > 0 && Py_IS_TYPE(old, &Levels_Type) && Py_REFCNT(old) == 1 && Py_SIZE(old) == count) {
        memcpy(((Levels *)old)->rows, scratch[side].rows, (size_t)count * sizeof(Level));
        return 0;
    }
    PyObject *made = (PyObject *)levels_new(scratch[side].rows, count);
    if (made != NULL)
        set_field(follower, event, field, made);
    return made != NULL ? 0 : -1;
}

static PyObject *event_of(Follower *follower, const Track *track, const Change *change, PyObject *symbol, PyObject *seen)
{
    PyTypeObject *made = follower->fields[0].type;
    PyObject *event = follower->spare != NULL ? follower->spare : made->tp_alloc(made, 0);
    PyObject *time = PyLong_FromLongLong(time_of(track, change));
    follower->spare = NULL;
    if (event == NULL || time == NULL || set_side(follower, event, OF_BIDS, BID, change->count[BID]) < 0 ||
        set_side(follower, event, OF_ASKS, ASK, change->count[ASK]) < 0) {
        Py_XDECREF(time);
        Py_XDECREF(event);
        return NULL;
    }
    Py_INCREF(track->venue);
    Py_INCREF(symbol);
    Py_INCREF(seen);
    set_field(follower, event, OF_VENUE, track->venue);
    set_field(follower, event, OF_SYMBOL, symbol);
    set_field(follower, event, OF_TIME, time);
    set_field(follower, event, OF_SEEN, seen);
    return event;
}

/* Nobody has kept the event: the next one can live in it, as CPython's zip does with its tuple. */
static void let_go(Follower *follower, PyObject *event)
{
    if (Py_REFCNT(event) == 1 && follower->spare == NULL)
        follower->spare = event;
    else
        Py_DECREF(event);
}

/* One more than stands in a counter; NULL with an exception. */
static PyObject *one_more(const Follower *follower, int which)
{
    PyObject **place = slot_in(&follower->counted[which], follower->counts);
    long count = place != NULL && *place != NULL ? PyLong_AsLong(*place) : -1;
    return count < 0 && PyErr_Occurred() ? NULL : PyLong_FromLongLong(count + 1);
}

static void set(const Slot *slot, PyObject *object, PyObject *value) { Py_XSETREF(*slot_in(slot, object), value); }

/* The event, the frame counted and its guard moved on: all of it, or nothing and NULL with an exception. */
static PyObject *taken(Follower *follower, Track *track, const Change *change, PyObject *symbol, PyObject *guard,
                       PyObject *seen)
{
    PyObject *event = event_of(follower, track, change, symbol, seen);
    PyObject *last = event != NULL ? PyLong_FromLongLong(change->numbers[LAST]) : NULL;
    PyObject *frames = last != NULL ? one_more(follower, 0) : NULL, *books = frames != NULL ? one_more(follower, 1) : NULL;
    if (books == NULL) {
        Py_XDECREF(frames);
        Py_XDECREF(last);
        Py_XDECREF(event);
        return NULL;
    }
    set(&track->last, guard, last);
    set(&follower->counted[0], follower->counts, frames);
    set(&follower->counted[1], follower->counts, books);
    follower->taken++;
    track->misses = 0;
    return event;
}

static int is_priced(const Change *change)
{
    for (int side = BID; side <= ASK; side++)
        for (Py_ssize_t i = 0; i < change->count[side]; i++)
            if (scratch[side].rows[i].price == 0.0)
                return 0;
    return 1;
}

/* 1: told. 0: the frame is not for this track, and nothing has changed. -1 with an exception. */
static int try_track(Follower *follower, Track *track, PyObject *data, PyObject *seen)
{
    const char *text = PyBytes_AS_STRING(data);
    Py_ssize_t length = PyBytes_GET_SIZE(data), head = PyBytes_GET_SIZE(track->begins);
    Change change;
    change.exact = track->exact;
    PyObject *symbol, *guard;
    if (length < head || memcmp(text, PyBytes_AS_STRING(track->begins), (size_t)head) != 0)
        return 0;
    if (++track->misses > PATIENCE && track->misses % ONE_IN != 0)
        return 0;
    if (!read_change(text, length, track->members, &track->habit, &change) || (track->is_priced && !is_priced(&change)))
        return PyErr_Occurred() ? -1 : 0;
    int follows = track_follows(track, &change, &symbol, &guard);
    if (follows <= 0)
        return follows;
    PyObject *event = taken(follower, track, &change, symbol, guard, seen), *done = NULL;
    Py_DECREF(symbol);
    Py_DECREF(guard);
    if (event != NULL) {
        done = PyObject_CallOneArg(follower->sink, event);
        let_go(follower, event);
    }
    Py_XDECREF(done);
    return done != NULL ? 1 : -1;
}

static PyObject *follower_call(PyObject *self, PyObject *const *args, size_t given, PyObject *names)
{
    Follower *follower = (Follower *)self;
    if (PyVectorcall_NARGS(given) == 2 && names == NULL && PyBytes_CheckExact(args[0]))
        for (int i = 0; i < follower->count; i++) {
            int done = try_track(follower, &follower->tracks[i], args[0], args[1]);
            if (done < 0)
                return NULL;
            if (done > 0)
                Py_RETURN_NONE;
        }
    if (follower->otherwise == NULL) { /* the garbage collector has been here */
        PyErr_SetString(PyExc_RuntimeError, "a follower of nobody");
        return NULL;
    }
    return PyObject_Vectorcall(follower->otherwise, args, given, names);
}

static int follower_visit(PyObject *self, visitproc visit, void *arg)
{
    Follower *follower = (Follower *)self;
    Py_VISIT(follower->otherwise);
    Py_VISIT(follower->sink);
    Py_VISIT(follower->counts);
    for (int i = 0; i < follower->count; i++)
        Py_VISIT(follower->tracks[i].chains);
    return 0;
}

static int follower_clear(PyObject *self)
{
    Follower *follower = (Follower *)self;
    for (; follower->count > 0; follower->count--)
        track_clear(&follower->tracks[follower->count - 1]);
    Py_CLEAR(follower->spare);
    Py_CLEAR(follower->counted[0].descriptor);
    Py_CLEAR(follower->counted[1].descriptor);
    Py_CLEAR(follower->otherwise);
    Py_CLEAR(follower->sink);
    for (int i = 0; i < FIELDS; i++)
        Py_CLEAR(follower->fields[i].descriptor);
    Py_CLEAR(follower->counts);
    return 0;
}

static void follower_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    follower_clear(self);
    Py_TYPE(self)->tp_free(self);
}

/* The slots of an event that has no other fields, and whose objects the garbage collector need not know. */
static int fields_from(Follower *follower, PyObject *fields)
{
    int is_wrong = PyTuple_GET_SIZE(fields) != FIELDS;
    for (int i = 0; !is_wrong && i < FIELDS; i++) {
        if (slot_from(&follower->fields[i], PyTuple_GET_ITEM(fields, i)) < 0)
            return -1;
        is_wrong = follower->fields[i].type != follower->fields[0].type;
    }
    PyTypeObject *made = follower->fields[0].type;
    is_wrong = is_wrong || PyType_IS_GC(made) || made->tp_itemsize != 0 ||
               made->tp_basicsize != (Py_ssize_t)(sizeof(PyObject) + FIELDS * sizeof(PyObject *));
    if (is_wrong)
        PyErr_SetString(PyExc_ValueError, "no event of ours");
    return is_wrong ? -1 : 0;
}

/* otherwise, sink, the event's slots, counts and two of their slots, tracks */
static int follower_from(Follower *follower, PyObject *args)
{
    PyObject *otherwise, *sink, *fields, *counts, *frames, *books, *tracks;
    if (!PyArg_ParseTuple(args, "OOO!OOOO!", &otherwise, &sink, &PyTuple_Type, &fields, &counts, &frames, &books,
                          &PyTuple_Type, &tracks))
        return -1;
    follower->call = follower_call;
    Py_INCREF(follower->otherwise = otherwise);
    Py_INCREF(follower->sink = sink);
    Py_INCREF(follower->counts = counts);
    if (fields_from(follower, fields) < 0 || slot_from(&follower->counted[0], frames) < 0 ||
        slot_from(&follower->counted[1], books) < 0)
        return -1;
    if (PyTuple_GET_SIZE(tracks) > MOST_TRACKS || slot_in(&follower->counted[0], counts) == NULL ||
        slot_in(&follower->counted[1], counts) == NULL) {
        PyErr_SetString(PyExc_ValueError, "no follower");
        return -1;
    }
    for (int i = 0; i < PyTuple_GET_SIZE(tracks); i++) {
        follower->count = i + 1;
        if (track_from(&follower->tracks[i], PyTuple_GET_ITEM(tracks, i)) < 0)
            return -1;
    }
    return 0;
}

static PyObject *follower_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *self = type->tp_alloc(type, 0); /* all zero */
    if (self != NULL && follower_from((Follower *)self, args) < 0)
        Py_CLEAR(self);
    return self;
}

static PyObject *follower_taken(PyObject *self, void *ignored)
{
    return PyLong_FromLongLong(((Follower *)self)->taken);
}

static PyGetSetDef follower_claims[] = {{"taken", follower_taken, NULL, "Frames that went this way.", NULL}, {NULL}};

PyTypeObject Follower_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Follower",
    .tp_doc = "Takes plain changes of live books to the sink; every other frame is handed on.",
    .tp_basicsize = sizeof(Follower),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Follower, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = follower_make,
    .tp_traverse = follower_visit,
    .tp_clear = follower_clear,
    .tp_dealloc = follower_dealloc,
    .tp_getset = follower_claims,
};
