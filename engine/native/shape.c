#include "shape.h"

void node_free(Node *node)
{
    if (node == NULL)
        return;
    for (int i = 0; i < node->count; i++) {
        Py_XDECREF(node->fields[i].name);
        Py_XDECREF(node->fields[i].missing);
        node_free(node->fields[i].node);
    }
    node_free(node->inner);
    Py_XDECREF(node->made);
    PyMem_Free(node);
}

/* ((name, shape, (default,) or ()), …) */
static int fields_from(Node *node, PyObject *shapes)
{
    Py_ssize_t count = PyTuple_GET_SIZE(shapes);
    if (count > MOST_FIELDS) {
        PyErr_Format(PyExc_ValueError, "%zd fields, and %d are the most", count, MOST_FIELDS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Field *field = &node->fields[i];
        PyObject *name, *shape, *missing;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(shapes, i), "UOO!", &name, &shape, &PyTuple_Type, &missing))
            return -1;
        node->count = (int)i + 1;
        Py_INCREF(field->name = name);
        if ((field->key = PyUnicode_AsUTF8AndSize(name, &field->length)) == NULL)
            return -1;
        if (PyTuple_GET_SIZE(missing) > 0)
            Py_INCREF(field->missing = PyTuple_GET_ITEM(missing, 0));
        if (shape != Py_None && (field->node = node_from(shape)) == NULL)
            return -1;
    }
    return 0;
}

/* (kind, quoted, exact, may_be_null, made or None, inner or None, fields) */
Node *node_from(PyObject *shape)
{
    PyObject *made, *inner, *fields;
    Node *node = PyMem_Calloc(1, sizeof(Node));
    if (node == NULL)
        return (Node *)PyErr_NoMemory();
    if (!PyTuple_Check(shape) || !PyArg_ParseTuple(shape, "ippp" "OOO!", &node->kind, &node->quoted, &node->exact,
                                                  &node->may_be_null, &made, &inner, &PyTuple_Type, &fields)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a shape is a tuple");
        node_free(node);
        return NULL;
    }
    if (made != Py_None)
        Py_INCREF(node->made = made);
    int is_wrong = fields_from(node, fields) < 0 || (inner != Py_None && (node->inner = node_from(inner)) == NULL);
    for (int i = 0; !is_wrong && node->kind == OBJECT && i < node->count; i++)
        is_wrong = node->fields[i].node == NULL;
    is_wrong |= node->kind < TEXT || node->kind > OBJECT || (node->kind == LIST) != (node->inner != NULL);
    is_wrong |= (node->kind == OBJECT) != (node->made != NULL) || (node->kind == NAMED && node->count != 2);
    is_wrong |= node->kind == UNITS && node->count != MOST_COLUMNS;
    if (is_wrong) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "no shape of a frame");
        node_free(node);
        return NULL;
    }
    return node;
}

