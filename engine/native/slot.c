#include "slot.h"
#include <structmember.h>

int slot_from(Slot *slot, PyObject *descriptor)
{
    if (!Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
        PyErr_Format(PyExc_TypeError, "%R is no slot", descriptor);
        return -1;
    }
    const PyMemberDescrObject *member = (PyMemberDescrObject *)descriptor;
    if (member->d_member->type != T_OBJECT_EX) {
        PyErr_Format(PyExc_TypeError, "%R holds no object", descriptor);
        return -1;
    }
    Py_INCREF(slot->descriptor = descriptor);
    slot->type = PyDescr_TYPE(descriptor);
    slot->offset = member->d_member->offset;
    return 0;
}
