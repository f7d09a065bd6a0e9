"""C declarations of alarms.py."""

cdef class Alarms:
    cdef object _loop, _clock, _on_due, _is_over
    cdef object _young
    cdef readonly dict _slots
    cdef dict _timers
    cdef object _last_at_ns
    cdef list _last_items
    cpdef add(self, object at_ns, object item)
