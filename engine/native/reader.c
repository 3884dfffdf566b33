#include "rows.h"
#include "shape.h"
#include <stddef.h>

typedef struct {
    PyObject_HEAD
    Node *root;
    PyObject *otherwise; /* called with what is unusual */
    vectorcallfunc call;
} Reader;

/* The field of a key, from the one expected on; -1 where nobody asks for it. */
static int field_of(const Node *node, const char *key, Py_ssize_t length, int expected)
{
    for (int i = 0; i < node->count; i++) {
        int at = expected + i < node->count ? expected + i : expected + i - node->count;
        const Field *field = &node->fields[at];
        if (field->length == length && memcmp(field->key, key, (size_t)length) == 0)
            return at;
    }
    return -1;
}

/* {"price": …, "size": …}: every column must be there, once. */
static const char *read_columns(const char *p, const char *end, const Node *node, double *columns)
{
    unsigned seen = 0;
    int at = -1;
    const char *key;
    Py_ssize_t length;
    if (*p != '{')
        return NULL;
    do {
        if ((p = scan_text(scan_space(p + 1), end, &key, &length)) == NULL || *(p = scan_space(p)) != ':')
            return NULL;
        p = scan_space(p + 1);
        int found = field_of(node, key, length, at + 1 < node->count ? at + 1 : 0);
        if (found < 0)
            p = scan_value(p, end, SKIPPED_DEPTH);
        else if (seen & 1u << found)
            return NULL;
        else {
            p = scan_number(p, end, &columns[found], node->quoted);
            seen |= 1u << (at = found);
        }
        if (p == NULL)
            return NULL;
        p = scan_space(p);
    } while (*p == ',');
    return *p == '}' && seen == (1u << node->count) - 1 ? p + 1 : NULL;
}

static PyObject *sides_of(Py_ssize_t count)
{
    Levels *bids = levels_new(scratch[BID].rows, count), *asks = levels_new(scratch[ASK].rows, count);
    if (bids == NULL || asks == NULL) {
        Py_XDECREF(bids);
        Py_XDECREF(asks);
        return NULL;
    }
    return Py_BuildValue("NN", bids, asks);
}

static const char *read_levels(const char *p, const char *end, const Node *node, PyObject **value)
{
    Py_ssize_t count = 0;
    double columns[MOST_COLUMNS];
    if (*p != '[')
        return NULL;
    p = scan_space(p + 1);
    while (*p != ']') {
        p = node->kind == ROWS ? read_row(p, end, node->quoted, node->exact, columns) : read_columns(p, end, node, columns);
        if (p == NULL || keep(BID, count, columns[0], columns[1]) < 0)
            return NULL;
        if (node->kind == UNITS && keep(ASK, count, columns[2], columns[3]) < 0)
            return NULL;
        count++;
        p = scan_space(p);
        if (*p == ',') {
            if (*(p = scan_space(p + 1)) == ']')
                return NULL;
        } else if (*p != ']')
            return NULL;
    }
    *value = node->kind == UNITS ? sides_of(count) : (PyObject *)levels_new(scratch[BID].rows, count);
    return *value == NULL ? NULL : p + 1;
}

static const char *read_node(const char *p, const char *end, const Node *node, PyObject **value);

static const char *read_list(const char *p, const char *end, const Node *node, PyObject **value)
{
    PyObject *list = PyList_New(0), *item = NULL;
    if (list == NULL || *p != '[')
        p = NULL;
    while (p != NULL) {
        p = read_node(scan_space(p + 1), end, node->inner, &item);
        if (p == NULL)
            break;
        if (PyList_Append(list, item) < 0)
            p = NULL;
        Py_CLEAR(item);
        if (p == NULL || *(p = scan_space(p)) != ',')
            break;
    }
    if (p == NULL || *p != ']') {
        Py_XDECREF(list);
        return NULL;
    }
    *value = list;
    return p + 1;
}

/* The members of an object into `values`, which the caller lets go. */
static const char *read_members(const char *p, const char *end, const Node *node, PyObject **values)
{
    const char *key;
    Py_ssize_t length;
    int at = -1;
    do {
        if ((p = scan_text(scan_space(p + 1), end, &key, &length)) == NULL || *(p = scan_space(p)) != ':')
            return NULL;
        p = scan_space(p + 1);
        int found = field_of(node, key, length, at + 1 < node->count ? at + 1 : 0);
        if (found < 0)
            p = scan_value(p, end, SKIPPED_DEPTH);
        else if (values[found] != NULL)
            return NULL; /* twice: which of them holds is not for us to say */
        else
            p = read_node(p, end, node->fields[at = found].node, &values[found]);
        if (p == NULL)
            return NULL;
        p = scan_space(p);
    } while (*p == ',');
    return *p == '}' ? p + 1 : NULL;
}

static const char *read_object(const char *p, const char *end, const Node *node, PyObject **value)
{
    PyObject *values[MOST_FIELDS + 1] = {NULL}, **given = values + 1;
    if (*p != '{')
        return NULL;
    p = read_members(p, end, node, given);
    for (int i = 0; p != NULL && i < node->count; i++)
        if (given[i] == NULL) {
            Py_XINCREF(given[i] = node->fields[i].missing);
            if (given[i] == NULL)
                p = NULL;
        }
    if (p != NULL) {
        size_t count = (size_t)node->count | PY_VECTORCALL_ARGUMENTS_OFFSET;
        *value = PyObject_Vectorcall(node->made, given, count, NULL);
    }
    for (int i = 0; i < node->count; i++)
        Py_XDECREF(given[i]);
    return *value == NULL ? NULL : p;
}

static const char *read_node(const char *p, const char *end, const Node *node, PyObject **value)
{
    const char *begin;
    Py_ssize_t length;
    long long whole;
    double real;
    *value = NULL;
    if (node->may_be_null && strncmp(p, "null", 4) == 0) {
        Py_INCREF(*value = Py_None);
        return p + 4;
    }
    switch (node->kind) {
    case TEXT:
        if ((p = scan_text(p, end, &begin, &length)) != NULL)
            *value = text_of(begin, length);
        break;
    case INTEGER:
        if ((p = scan_integer(p, end, &whole, node->quoted)) != NULL)
            *value = PyLong_FromLongLong(whole);
        break;
    case REAL:
        if ((p = scan_number(p, end, &real, node->quoted)) != NULL)
            *value = PyFloat_FromDouble(real);
        break;
    case TRUTH:
        if (strncmp(p, "true", 4) != 0 && strncmp(p, "false", 5) != 0)
            return NULL;
        *value = PyBool_FromLong(*p == 't');
        p += *p == 't' ? 4 : 5;
        break;
    case LIST:
        return read_list(p, end, node, value);
    case OBJECT:
        return read_object(p, end, node, value);
    default:
        return read_levels(p, end, node, value);
    }
    return *value == NULL ? NULL : p;
}

static PyObject *reader_call(PyObject *self, PyObject *const *args, size_t given, PyObject *names)
{
    Reader *reader = (Reader *)self;
    if (PyVectorcall_NARGS(given) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "one frame is wanted");
        return NULL;
    }
    PyObject *data = args[0], *value = NULL;
    if (PyBytes_CheckExact(data)) {
        const char *begin = PyBytes_AS_STRING(data), *end = begin + PyBytes_GET_SIZE(data);
        const char *p = read_node(scan_space(begin), end, reader->root, &value);
        if (p != NULL && scan_space(p) == end)
            return value;
        Py_XDECREF(value);
        if (PyErr_Occurred())
            return NULL;
    }
    return PyObject_CallOneArg(reader->otherwise, data);
}

static PyObject *reader_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *shape, *otherwise;
    if (!PyArg_ParseTuple(args, "OO", &shape, &otherwise))
        return NULL;
    Node *root = node_from(shape);
    Reader *reader = root != NULL ? PyObject_New(Reader, type) : NULL;
    if (reader == NULL) {
        node_free(root);
        return NULL;
    }
    reader->root = root;
    reader->call = reader_call;
    Py_INCREF(reader->otherwise = otherwise);
    return (PyObject *)reader;
}

static void reader_dealloc(PyObject *self)
{
    node_free(((Reader *)self)->root);
    Py_DECREF(((Reader *)self)->otherwise);
    PyObject_Free(self);
}

PyTypeObject Reader_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine.native._native.Reader",
    .tp_doc = "Reads frames of one shape; what is unusual goes to the typed decoder.",
    .tp_basicsize = sizeof(Reader),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Reader, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = reader_make,
    .tp_dealloc = reader_dealloc,
};
