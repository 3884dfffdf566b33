#include "track.h"
#include "rows.h"

/* ((slot, value), …) */
static int musts_from(Track *track, PyObject *musts)
{
    if (PyTuple_GET_SIZE(musts) > MOST_MUSTS) {
        PyErr_SetString(PyExc_ValueError, "too many conditions");
        return -1;
    }
    for (int i = 0; i < PyTuple_GET_SIZE(musts); i++) {
        PyObject *descriptor, *value;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(musts, i), "OO", &descriptor, &value))
            return -1;
        if (slot_from(&track->musts[i], descriptor) < 0)
            return -1;
        Py_INCREF(track->values[i] = value);
        track->must_count = i + 1;
    }
    return 0;
}

int track_from(Track *track, PyObject *table)
{
    PyObject *begins, *stem, *members, *chains, *venue, *guard, *last, *topic, *musts;
    if (!PyTuple_Check(table)) {
        PyErr_SetString(PyExc_TypeError, "a track is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(table, "SOOO!UOOOO!ippL", &begins, &stem, &members, &PyDict_Type, &chains, &venue, &guard, &last,
                          &topic, &PyTuple_Type, &musts, &track->rule, &track->exact, &track->is_priced, &track->per_ms))
        return -1;
    if (track->per_ms < 1 || (track->rule != STEP && track->rule != LINK) || (stem != Py_None && !PyBytes_Check(stem))) {
        PyErr_SetString(PyExc_ValueError, "no track");
        return -1;
    }
    Py_INCREF(track->begins = begins);
    if (stem != Py_None)
        Py_INCREF(track->stem = stem);
    Py_INCREF(track->chains = chains);
    Py_INCREF(track->venue = venue);
    if ((track->members = members_from(members)) == NULL)
        return -1;
    if (slot_from(&track->guard, guard) < 0 || slot_from(&track->last, last) < 0)
        return -1;
    if (topic != Py_None && slot_from(&track->topic, topic) < 0)
        return -1;
    return musts_from(track, musts);
}

void track_clear(Track *track)
{
    for (int i = 0; i < track->must_count; i++) {
        Py_CLEAR(track->musts[i].descriptor);
        Py_CLEAR(track->values[i]);
    }
    track->must_count = 0;
    members_free(track->members);
    track->members = NULL;
    Py_CLEAR(track->begins);
    Py_CLEAR(track->stem);
    Py_CLEAR(track->chains);
    Py_CLEAR(track->venue);
    Py_CLEAR(track->guard.descriptor);
    Py_CLEAR(track->last.descriptor);
    Py_CLEAR(track->topic.descriptor);
}

/* NULL: the text has no symbol in it; with MemoryError, or without an exception. */
static PyObject *symbol_in(const Track *track, const Change *change)
{
    const char *begin = change->text[0], *end = begin + change->length[0];
    if (track->stem != NULL) {
        Py_ssize_t length = PyBytes_GET_SIZE(track->stem);
        if (end - begin < length || memcmp(begin, PyBytes_AS_STRING(track->stem), (size_t)length) != 0)
            return NULL;
        begin += length;
        const char *point = memchr(begin, '.', (size_t)(end - begin));
        end = point != NULL ? point : end;
    }
    return text_of(begin, end - begin);
}

/* Whether the ids say that nothing is missing between `held` and this change. */
static int is_next(const Track *track, const Change *change, PyObject *held)
{
    int overflow = 0;
    long long last = held != NULL && PyLong_CheckExact(held) ? PyLong_AsLongLongAndOverflow(held, &overflow) : -1;
    const long long *numbers = change->numbers;
    if (overflow || last < 0 || numbers[LAST] < 0)
        return 0;
    if (track->rule == LINK)
        return change->given & 1u << PREVIOUS && numbers[PREVIOUS] == last;
    long long first = change->given & 1u << FIRST ? numbers[FIRST] : numbers[LAST];
    return last > 0 && first - 1 == last && first <= numbers[LAST];
}

static int is_as_it_must(const Track *track, const Change *change, PyObject *chain, PyObject *guard)
{
    for (int i = 0; i < track->must_count; i++) {
        PyObject **place = slot_in(&track->musts[i], chain);
        if (place == NULL && (place = slot_in(&track->musts[i], guard)) == NULL)
            return 0;
        if (*place != track->values[i])
            return 0;
    }
    if (track->topic.descriptor == NULL)
        return 1;
    PyObject **place = slot_in(&track->topic, chain), *topic = place != NULL ? *place : NULL;
    return topic != NULL && PyUnicode_CheckExact(topic) && PyUnicode_IS_COMPACT_ASCII(topic) &&
           PyUnicode_GET_LENGTH(topic) == change->length[1] &&
           memcmp(PyUnicode_DATA(topic), change->text[1], (size_t)change->length[1]) == 0;
}

int track_follows(const Track *track, const Change *change, PyObject **symbol, PyObject **guard)
{
    PyObject *found = symbol_in(track, change);
    if (found == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *chain = PyDict_GetItemWithError(track->chains, found);
    PyObject **place = chain != NULL ? slot_in(&track->guard, chain) : NULL, *held = place != NULL ? *place : NULL;
    PyObject **last = held != NULL ? slot_in(&track->last, held) : NULL;
    if (last == NULL || !is_next(track, change, *last) || !is_as_it_must(track, change, chain, held)) {
        Py_DECREF(found);
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_INCREF(held);
    *symbol = found;
    *guard = held;
    return 1;
}
