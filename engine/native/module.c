#include "native.h"

static PyMethodDef functions[] = {
    {"walk", (PyCFunction)(void (*)(void))native_walk, METH_FASTCALL, "(qty, quote, worst) of taking a quantity."},
    {"walk_amount", (PyCFunction)(void (*)(void))native_walk_amount, METH_FASTCALL, "(qty, quote, worst) of an amount."},
    {"best_size", (PyCFunction)(void (*)(void))native_best_size, METH_FASTCALL, "The quantity that earns most."},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "The compiled book.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__native(void)
{
    static struct {
        const char *name;
        PyTypeObject *type;
    } const types[] = {{"Levels", &Levels_Type},
                       {"Book", &Book_Type},
                       {"Books", &Books_Type},
                       {"Cursor", &Cursor_Type},
                       {"Reader", &Reader_Type},
                       {"Follower", &Follower_Type}};
    PyObject *made = PyModule_Create(&module);
    for (size_t i = 0; made != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (PyType_Ready(types[i].type) < 0 || PyModule_AddObjectRef(made, types[i].name, (PyObject *)types[i].type) < 0)
            Py_CLEAR(made);
    return made;
}
