#include "native.h"

/* Levels from a book's cursor, from Levels, or from whatever yields pairs. */
typedef struct {
    Cursor *cursor; /* borrowed */
    Levels *levels; /* borrowed */
    Py_ssize_t at;
    PyObject *pairs; /* owned */
} Source;

static int source_open(Source *source, PyObject *from)
{
    *source = (Source){NULL, NULL, 0, NULL};
    if (Py_IS_TYPE(from, &Cursor_Type))
        source->cursor = (Cursor *)from;
    else if (Py_IS_TYPE(from, &Levels_Type))
        source->levels = (Levels *)from;
    else
        source->pairs = PyObject_GetIter(from);
    return source->cursor || source->levels || source->pairs ? 0 : -1;
}

static void source_close(Source *source) { Py_XDECREF(source->pairs); }

static int pair_next(PyObject *pairs, Level *level)
{
    PyObject *item = PyIter_Next(pairs);
    if (item == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *pair = PySequence_Tuple(item);
    Py_DECREF(item);
    if (pair == NULL)
        return -1;
    if (PyTuple_GET_SIZE(pair) != 2)
        PyErr_SetString(PyExc_ValueError, "a level is a pair of numbers");
    else {
        level->price = PyFloat_AsDouble(PyTuple_GET_ITEM(pair, 0));
        level->size = PyFloat_AsDouble(PyTuple_GET_ITEM(pair, 1));
    }
    Py_DECREF(pair);
    return PyErr_Occurred() ? -1 : 1;
}

/* 1 with a level, 0 at the end, -1 with an exception. */
static int source_next(Source *source, Level *level)
{
    if (source->cursor != NULL)
        return cursor_next(source->cursor, level);
    if (source->levels == NULL)
        return pair_next(source->pairs, level);
    if (source->at >= Py_SIZE(source->levels))
        return 0;
    *level = source->levels->rows[source->at++];
    return 1;
}

static int read_doubles(PyObject *const *args, Py_ssize_t count, double *into)
{
    for (Py_ssize_t i = 0; i < count; i++)
        into[i] = PyFloat_AsDouble(args[i]);
    return PyErr_Occurred() ? -1 : 0;
}

static int expect(Py_ssize_t count, Py_ssize_t wanted)
{
    if (count == wanted)
        return 0;
    PyErr_Format(PyExc_TypeError, "%zd arguments are wanted", wanted);
    return -1;
}

/* walk(levels, qty, usable) -> (qty, quote, worst) */
PyObject *native_walk(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    double limits[2], taken = 0.0, quote = 0.0, worst = 0.0;
    Source source;
    Level level;
    int found;
    if (expect(count, 3) < 0 || read_doubles(args + 1, 2, limits) < 0 || source_open(&source, args[0]) < 0)
        return NULL;
    double qty = limits[0], usable = limits[1];
    while ((found = source_next(&source, &level)) > 0) {
        double take = level.size * usable;
        if (taken + take >= qty) {
            quote += level.price * (qty - taken);
            taken = qty;
            worst = level.price;
            break;
        }
        quote += level.price * take;
        taken += take;
        worst = level.price;
    }
    source_close(&source);
    return found < 0 ? NULL : Py_BuildValue("ddd", taken, quote, worst);
}

/* walk_amount(levels, quote) -> (qty, quote, worst) */
PyObject *native_walk_amount(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    double wanted, taken = 0.0, spent = 0.0, worst = 0.0;
    Source source;
    Level level;
    int found;
    if (expect(count, 2) < 0 || read_doubles(args + 1, 1, &wanted) < 0 || source_open(&source, args[0]) < 0)
        return NULL;
    while ((found = source_next(&source, &level)) > 0) {
        double cost = level.price * level.size;
        worst = level.price;
        if (spent + cost >= wanted) {
            taken += (wanted - spent) / level.price;
            spent = wanted;
            break;
        }
        taken += level.size;
        spent += cost;
    }
    source_close(&source);
    return found < 0 ? NULL : Py_BuildValue("ddd", taken, spent, worst);
}

static double least(double one, double other) { return other < one ? other : one; }

/* The sum that earns most; negative with an exception. `limits`: sell_keep, buy_cost, max_qty, usable. */
static double best_size_of(Source *sells, Source *buys, const double *limits)
{
    Level bid, ask;
    int has_bid = source_next(sells, &bid), has_ask = has_bid < 0 ? -1 : source_next(buys, &ask);
    double total = 0.0, bid_left = has_bid > 0 ? bid.size * limits[3] : 0.0;
    double ask_left = has_ask > 0 ? ask.size * limits[3] : 0.0;
    while (has_bid > 0 && has_ask > 0 && total < limits[2] && bid.price * limits[0] > ask.price * limits[1]) {
        double take = least(least(bid_left, ask_left), limits[2] - total);
        total = least(total + take, limits[2]); /* the sum of its parts may round to more than the whole */
        bid_left -= take;
        ask_left -= take;
        if (bid_left <= 0.0) {
            has_bid = source_next(sells, &bid);
            bid_left = has_bid > 0 ? bid.size * limits[3] : 0.0;
        }
        if (ask_left <= 0.0 && has_bid >= 0) {
            has_ask = source_next(buys, &ask);
            ask_left = has_ask > 0 ? ask.size * limits[3] : 0.0;
        }
    }
    return has_bid < 0 || has_ask < 0 ? -1.0 : total;
}

/* best_size(bids, asks, sell_keep, buy_cost, max_qty, usable) -> qty */
PyObject *native_best_size(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    double limits[4], total = -1.0;
    Source sells, buys;
    if (expect(count, 6) < 0 || read_doubles(args + 2, 4, limits) < 0 || source_open(&sells, args[0]) < 0)
        return NULL;
    if (source_open(&buys, args[1]) == 0) {
        total = best_size_of(&sells, &buys, limits);
        source_close(&buys);
    }
    source_close(&sells);
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(total);
}
