"""C declarations of writes.py."""
cimport cython
from sidecar.fetch.alarms cimport Alarms
from sidecar.fetch.coherence cimport Coherence, Mark
from sidecar.fetch.policy_numbers cimport PolicyNumbers
from sidecar.fetch.turn_clock cimport TurnClock

@cython.no_gc  # gone once answered, so in no ring
cdef class _Submitted:
    cdef public bytes key
    cdef public object write, row, then, deadline
    cdef public Mark mark
    cdef public bint in_the_air


cdef class Writes:
    cdef object _loop, _clock, _guard, _limiter, _breaker, _calls, _counters, _leave_soon, _write_ended
    cdef public object _store, _quarantine
    cdef TurnClock _turn
    cdef PolicyNumbers _numbers
    cdef Coherence _coherence
    cdef Alarms _deadlines
    cdef object _queue
    cdef dict _in_the_air, _behind
    cdef Py_ssize_t _waiting, _max_waiting
    cdef bint _leaving
    cdef set _tasks
    cdef list _unwatched
    @cython.locals(submitted=_Submitted)
    cpdef submit(self, object write, object then, object deadline=*)
    cdef _begin(self, _Submitted submitted)
    cdef _leave(self)
    @cython.locals(submitted=_Submitted)
    cpdef _watch(self)
    cdef _send_what_may(self)
    cdef _send(self, list batch)
    @cython.locals(submitted=_Submitted)
    cdef _flush_while_down(self)
    @cython.locals(submitted=_Submitted, batch=list, key=bytes)
    cdef list _take_batch(self, Py_ssize_t room)
    @cython.locals(submitted=_Submitted, keys=dict, key=bytes)
    cdef _settle(self, list batch, list answers, object sent_tick)
    @cython.locals(key=bytes)
    cdef _show(self, _Submitted submitted, object answer, object sent_tick)
    cdef _refuse(self, _Submitted submitted, object cause)
    cdef _tell(self, object then, object answer)
