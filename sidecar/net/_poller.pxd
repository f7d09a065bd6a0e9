"""All client sockets in one epoll set, watched by the loop as one descriptor. One callback is one turn."""
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from protocol._parser cimport Arg, FieldLists
from protocol._writer cimport ReplyBuffer
from sidecar.commands._hot cimport Command, HotCommands
from sidecar.memory._store cimport Store
from sidecar.metrics._counters cimport Counters
from sidecar.net._connection cimport ClientMemory, Connection
from sidecar.net._sockets cimport epoll_event


cdef class Poller:
    cdef object loop
    cdef public object dispatcher        # .execute(connection, args): everything that memory does not answer at once
    cdef public object end_of_turn       # called when commands of the turn went to the dispatcher: misses and writes leave
    cdef public object revalidate        # called with the keys that were answered stale
    cdef public object on_connect        # called with a listener's descriptor and the new socket's: returns its Session, or None to refuse
    cdef public object on_error          # called with an exception that a command raised: it is logged
    cdef public object locks             # non-empty: some keys belong to an EXEC, the hot path is closed
    cdef HotCommands hot
    cdef Store store
    cdef Counters counters
    cdef int epoll                       # -1: no epoll here, the loop watches each socket
    cdef epoll_event* events
    cdef PyObject** by_fd                # borrowed: `connections` owns
    cdef int by_fd_size
    cdef public set connections
    cdef dict listeners                  # descriptor -> accepting
    cdef readonly dict lingering         # descriptor -> ns until which it may still send what its peer has not yet
    cdef list carried                    # connections with input that waits for the next turn
    cdef list dirty                      # connections whose replies changed outside their part of a turn
    cdef list closing                    # sockets to close at the end of the turn: a descriptor must not be reused within it
    cdef bint in_turn, flush_scheduled, turn_scheduled, slow_commands
    cdef ReplyBuffer out
    cdef uint8_t* scratch                # what this turn received, a slice a connection
    cdef Command* commands
    cdef uint32_t command_capacity, command_total, prefetched
    cdef Arg* args                       # of all commands of the group
    cdef uint32_t arg_capacity, arg_total
    cdef FieldLists lists                # of the sessions' parsers
    cdef uint64_t turn_ns                # monotonic, at the turn's start
    cdef public size_t output_limit_bytes
    cdef ClientMemory memory             # bound and count of what is held for all connections
    cdef public uint64_t stall_ns        # over the output limit and no byte taken for so long: aborted
    cdef public uint64_t incomplete_ns   # a request may stay incomplete so long
    cdef public uint64_t linger_ns       # after its last reply a socket may go on sending so long
    cdef readonly uint64_t turns, aborted_output, aborted_memory

    cdef int begin_turn(self) except -1
    cdef int end_turn(self) except -1
    cdef int serve(self, list ready) except -1
    cdef int serve_group(self, list group) except -1
    cdef int give_up(self, Connection connection, object error) except -1
    cdef int run_commands(self, Connection connection) except -1
    cdef int receive(self, Connection connection, uint8_t* slice_) except -1
    cdef int parse(self, Connection connection) except -1
    cdef int prefetch_next(self) except -1
    cdef int run(self, Connection connection, Command* command) except -1
    cdef int finish(self, Connection connection) except -1
    cdef int flush(self, Connection connection) except -1
    cdef int watch(self, Connection connection, bint reading, bint writing) except -1
    cdef int account(self, Connection connection) except -1
    cdef int remove(self, Connection connection, bint reset) except -1
    cdef int carry(self, Connection connection) except -1
    cdef int accept_all(self, int listener) except -1
    cdef int note_ready(self, Connection connection, uint32_t events, list reading) except -1
    cdef int wind_back(self, Connection connection, size_t start) except -1
    cdef int make_room(self, uint32_t arguments) except -1
    cdef bint is_free(self, Connection connection, Command* command) except -1
    cdef list arguments_of(self, Command* command)
    cdef Connection biggest_stuck(self)
    cdef int close_socket(self, int fd) except -1
    cdef int linger(self, int fd) except -1
    cdef int discard_input(self, int fd) except -1
    cdef int end_lingering(self, int fd) except -1
    cdef int resume(self, Connection connection) except -1
