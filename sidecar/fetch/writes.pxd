"""C declarations of writes.py."""
cimport cython
from sidecar.fetch.alarms cimport Alarms
from sidecar.fetch.coherence cimport Coherence, Mark
from sidecar.fetch.policy_numbers cimport PolicyNumbers
from sidecar.fetch.turn_clock cimport TurnClock

cdef class _Submitted:
    cdef public bytes key
    cdef public object write, row, then, deadline
    cdef public Mark mark
    cdef public bint in_the_air


cdef class Writes:
    cdef object _loop, _clock, _origin, _limiter, _counters, _leave_soon, _write_ended
    cdef public object _store, _quarantine
    cdef TurnClock _turn
    cdef PolicyNumbers _numbers
    cdef Coherence _coherence
    cdef Alarms _deadlines
    cdef object _queue
    cdef dict _in_the_air, _behind
    cdef Py_ssize_t _waiting, _max_waiting
    cdef set _tasks
    @cython.locals(submitted=_Submitted)
    cpdef submit(self, object write, object then, object deadline=*)
    cdef _begin(self, _Submitted submitted)
    @cython.locals(submitted=_Submitted, batch=list, key=bytes)
    cdef list _take_batch(self)
    @cython.locals(submitted=_Submitted, keys=dict, key=bytes)
    cdef _settle(self, list batch, list answers, object sent_tick)
    @cython.locals(key=bytes)
    cdef _show(self, _Submitted submitted, object answer, object sent_tick)
    cdef _count(self, list answers)
    cdef _tell(self, object then, object answer)
