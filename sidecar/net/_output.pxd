"""What goes back to clients: sending, pausing who does not read, and the bounds of memory."""
from libc.stdint cimport uint64_t
from protocol._writer cimport ReplyBuffer
from sidecar.net._connection cimport Connection
from sidecar.net._socket_set cimport SocketSet


cdef enum:
    MAX_OPEN_SLOTS = 1024            # unanswered commands per connection before it is paused: a slot is ~0.5 KiB


cdef class Output(SocketSet):
    cdef ReplyBuffer out                 # replies of the connection whose part of the turn it is
    cdef list carried                    # connections with input that waits for the next turn
    cdef list dirty                      # connections whose replies changed outside their part of a turn
    cdef list late                       # of this turn, with unanswered commands: sent in the loop's next step
    cdef object peer_queues              # what peers on this machine have not read
    cdef bint flush_scheduled, turn_scheduled
    cdef public size_t output_limit_bytes
    cdef public uint64_t stall_ns        # over the output limit and no byte taken for so long: aborted
    cdef public uint64_t incomplete_ns   # a request may stay incomplete so long
    cdef readonly uint64_t aborted_output, aborted_memory

    cdef int flush(self, Connection connection) except -1
    cdef int flush_late(self, Connection connection) except -1
    cdef int begin_late_flush(self) except -1
    cdef int account(self, Connection connection) except -1
    cdef int resume(self, Connection connection) except -1
    cdef int carry(self, Connection connection) except -1
    cdef bint seems_stuck(self, Connection connection) noexcept
