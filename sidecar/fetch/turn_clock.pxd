"""C declarations of turn_clock.py."""

cdef class TurnClock:
    cdef object _clock, _loop, _store
    cdef readonly object number
    cdef object _now_ns
    cdef dict _deadlines
    cpdef now_ns(self)
    cpdef deadline(self, object budget_ms)
