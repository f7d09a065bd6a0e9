"""The commands of a turn: parsed ahead over many connections, prefetched together, answered in order."""
from libc.stdint cimport uint32_t, uint64_t
from protocol._parser cimport Arg, FieldLists
from sidecar.commands._hot cimport Command, HotCommands
from sidecar.memory._store cimport Store
from sidecar.metrics._counters cimport Counters
from sidecar.net._connection cimport Connection
from sidecar.net._output cimport Output
from sidecar.prefetch._touches cimport TouchLog


cdef class Pipeline(Output):
    cdef public object dispatcher        # .execute(connection, args): everything that memory does not answer at once
    cdef public object locks             # non-empty: some keys belong to an EXEC, the hot path is closed
    cdef HotCommands hot
    cdef TouchLog touches                # the hot path's, at hand
    cdef Store store
    cdef Counters counters
    cdef FieldLists lists                # of the sessions' parsers
    cdef bint slow_commands              # some of the turn went to the dispatcher
    cdef Command* commands               # of the group of connections being served
    cdef uint32_t command_capacity, command_total, prefetched
    cdef Arg* args                       # of all these commands
    cdef uint32_t arg_capacity, arg_total

    cdef int parse(self, Connection connection) except -1
    cdef int make_room(self, uint32_t arguments) except -1
    cdef int prefetch_next(self) except -1
    cdef int run_commands(self, Connection connection) except -1
    cdef int wind_back(self, Connection connection, size_t start) except -1
    cdef int run(self, Connection connection, Command* command) except -1
    cdef bint is_free(self, Connection connection, Command* command) except -1
    cdef list arguments_of(self, Command* command)
    cdef int begin_group(self) except -1
    cdef int trim(self) except -1
