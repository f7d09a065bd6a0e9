"""The commands of a turn, see the .pxd.

Commands of a group are parsed ahead of their execution, so that the first keys of all its connections are hashed
and prefetched together. They are spans into what was received, valid until their connection is finished with. When a
connection's output passes its session's pause_bytes its parser is wound back to the first command not yet run.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy
from protocol._commands cimport EXISTS, GET, HGET, HGETALL, HMGET, find_command
from protocol._parser cimport COMMAND, NEED_DATA, Arg, ParseResult
from protocol._session cimport Session
from protocol._writer cimport pending
from sidecar.metrics._counters cimport bit_length
from sidecar.net cimport _sockets as sockets
from sidecar.net._output cimport MAX_OPEN_SLOTS

from protocol.replies import ErrorReply

cdef enum:
    COMMANDS_PER_TURN = 256          # run per connection and turn
    PREFETCH_AHEAD = 64              # commands whose first keys are on their way at once
    SEND_AHEAD = 32 * 1024           # replies are sent within a connection's part of a turn when there are so many
    FIRST_ARGS = 4096
    ARGS_KEPT = 64 * 1024            # arguments' room kept between turns
    FEW_HELD = 8                     # keys that are compared one by one, cheaper than making a bytes and hashing it
    SAMPLE_MASK = 63                 # one hit in 64 is timed for the duration histogram

INTERNAL_ERROR = ErrorReply(b"ERR internal error")


cdef inline bint same_bytes(bytes key, const Arg* argument) noexcept:
    return PyBytes_GET_SIZE(key) == <Py_ssize_t>argument.size and memcmp(PyBytes_AS_STRING(key), argument.data, argument.size) == 0


cdef class Pipeline(Output):
    def __cinit__(self, loop, HotCommands hot not None, FieldLists lists not None, *, bint use_epoll=True):
        self.hot = hot
        self.touches = hot.touches
        self.store = hot.store
        self.counters = hot.counters
        self.lists = lists
        self.locks = None
        self.command_capacity = 1024
        self.commands = <Command*>malloc(self.command_capacity * sizeof(Command))
        self.arg_capacity = FIRST_ARGS
        self.args = <Arg*>malloc(self.arg_capacity * sizeof(Arg))
        if not (self.commands and self.args):
            raise MemoryError

    def __dealloc__(self):
        free(self.commands)
        free(self.args)

    cdef int begin_group(self) except -1:
        """Forget the commands of the group before."""
        self.command_total = 0
        self.arg_total = 0
        self.prefetched = 0
        return 0

    cdef int trim(self) except -1:
        """The turn is over: no command is pointed at any more, and the room of a huge one is given back."""
        self.lists.free_retired()
        if self.arg_capacity > ARGS_KEPT:
            free(self.args)
            self.arg_capacity = FIRST_ARGS
            self.args = <Arg*>malloc(self.arg_capacity * sizeof(Arg))
            if self.args == NULL:
                raise MemoryError
        return 0

    cdef int parse(self, Connection connection) except -1:
        """Parse this connection's commands of the turn; their arguments are spans until it is finished with."""
        cdef uint32_t limit = COMMANDS_PER_TURN
        cdef uint32_t copied
        cdef ParseResult result
        cdef Command* command
        cdef size_t start
        connection.first_command = self.command_total
        connection.has_input = False
        if connection.broken or connection.session.closing:
            return 0
        if not connection.session.authenticated:
            limit = 1                               # AUTH changes the limits that the next command is read under
        while connection.command_count < limit:
            start = connection.parser.start
            result = connection.parser.next_command()
            if result == NEED_DATA:
                return 0
            if result != COMMAND:
                connection.broken = True
                return 0
            copied = connection.parser.argc if connection.parser.field_list == NULL else 2
            self.make_room(copied)
            command = &self.commands[self.command_total]
            command.args = self.args + self.arg_total
            memcpy(command.args, connection.parser.args, copied * sizeof(Arg))
            command.argc = connection.parser.argc
            command.field_list = connection.parser.field_list
            command.rewind_to = start
            command.row = find_command(command.args[0].data, command.args[0].size)
            self.arg_total += copied
            self.command_total += 1
            connection.command_count += 1
        connection.has_input = True
        return 0

    cdef int make_room(self, uint32_t arguments) except -1:
        """Room for one more command with so many arguments; earlier commands are re-pointed when theirs move."""
        cdef uint32_t capacity, i
        cdef Arg* moved
        cdef Command* commands
        if self.command_total == self.command_capacity:
            commands = <Command*>realloc(self.commands, 2 * self.command_capacity * sizeof(Command))
            if commands == NULL:
                raise MemoryError
            self.commands = commands
            self.command_capacity *= 2
        if self.arg_capacity - self.arg_total < arguments:
            capacity = self.arg_capacity
            while capacity - self.arg_total < arguments:
                capacity *= 2
            moved = <Arg*>malloc(capacity * sizeof(Arg))
            if moved == NULL:
                raise MemoryError
            memcpy(moved, self.args, self.arg_total * sizeof(Arg))
            for i in range(self.command_total):
                self.commands[i].args = moved + (self.commands[i].args - self.args)
            free(self.args)
            self.args = moved
            self.arg_capacity = capacity
        return 0

    cdef int prefetch_next(self) except -1:
        """Hash the first keys of the next commands, whosever they are, and have their cache lines fetched."""
        cdef uint32_t last = min(self.prefetched + <uint32_t>PREFETCH_AHEAD, self.command_total)
        cdef uint32_t i
        cdef Command* command
        for i in range(self.prefetched, last):
            command = &self.commands[i]
            if command.row != NULL and command.row.first_key == 1 and command.argc > 1:
                command.key_hash = self.store.hash_key(command.args[1].data, command.args[1].size)
                self.store.prefetch_bucket(command.key_hash)
        for i in range(self.prefetched, last):
            command = &self.commands[i]
            if command.row != NULL and command.row.first_key == 1 and command.argc > 1:
                self.store.prefetch_item(command.key_hash)
        self.prefetched = last
        return 0

    cdef int run_commands(self, Connection connection) except -1:
        """Run what was parsed for this connection, until too much output waits."""
        cdef uint32_t i
        cdef uint32_t last = connection.first_command + connection.command_count
        for i in range(connection.first_command, last):
            if i >= self.prefetched:
                self.prefetched = i                 # further, where a connection left commands out
                self.prefetch_next()
            self.run(connection, &self.commands[i])
            if connection.fd < 0:
                return 0
            if pending(self.out) >= SEND_AHEAD:
                self.flush(connection)
                if connection.fd < 0:
                    return 0
            if i + 1 < last and (
                pending(self.out) + connection.slots.pending_bytes() > connection.output_cap()
                or connection.slots.open_count > MAX_OPEN_SLOTS or connection.slots.lazy_count
            ):
                return self.wind_back(connection, self.commands[i + 1].rewind_to)
        return 0

    cdef int wind_back(self, Connection connection, size_t start) except -1:
        """Stop before the command at `start` of the window: it is parsed again when the output has drained."""
        connection.parser.rewind(start)
        connection.has_input = True
        connection.broken = False
        return 0

    cdef int run(self, Connection connection, Command* command) except -1:
        """Answer one command from memory, or hand it to the dispatcher."""
        cdef Session session = connection.session
        cdef uint64_t started = 0
        cdef uint32_t family
        cdef list arguments
        if session.closing:
            return 0
        session.commands += 1
        if (
            command.row != NULL and session.authenticated and session.queue is None and not self.locks
            and (connection.in_order or self.is_free(connection, command))
        ):
            family = command.row.family
            if self.counters.commands[family] & SAMPLE_MASK == 0:
                started = sockets.sidecar_monotonic_ns()
            if self.hot.answer(command, session.proto, self.out):
                self.counters.commands[family] += 1
                if started:
                    self.add_duration(family, sockets.sidecar_monotonic_ns() - started)
                return 0
        arguments = self.arguments_of(command)
        self.slow_commands = True
        try:
            self.dispatcher.execute(connection, arguments)
        except Exception as error:
            self.on_error(error)
            connection.reply(INTERNAL_ERROR)
        return 0

    cdef bint is_free(self, Connection connection, Command* command) except -1:
        """Whether nothing unresolved of this connection is in the way of a read of one key."""
        cdef int command_id = command.row.id
        cdef dict held = connection.held
        cdef Py_ssize_t at = 0
        cdef PyObject* other = NULL
        if command_id not in (GET, HGET, HMGET, HGETALL, EXISTS) or command.argc < 2:
            return False
        if command_id == EXISTS and command.argc != 2:
            return False
        if held is None or connection.behind:
            return False
        if len(held) > FEW_HELD:
            return None not in held and command.args[1].data[:command.args[1].size] not in held
        while PyDict_Next(held, &at, &other, NULL):
            if <object>other is None or same_bytes(<object>other, &command.args[1]):
                return False
        return True

    cdef list arguments_of(self, Command* command):
        """The arguments as bytes."""
        cdef list arguments = []
        cdef uint32_t i
        cdef uint32_t plain = command.argc if command.field_list == NULL else 2
        for i in range(plain):
            arguments.append(command.args[i].data[:command.args[i].size])
        if command.field_list != NULL:
            for i in range(command.field_list.count):
                arguments.append(
                    (command.field_list.raw + command.field_list.offsets[i])[:command.field_list.sizes[i]]
                )
        return arguments

    def add_duration(self, uint32_t family, uint64_t ns):
        """Count one command's duration."""
        self.counters.durations[family][min(bit_length(ns), <uint32_t>39)] += 1
        self.counters.duration_ns[family] += ns
        self.counters.duration_samples[family] += 1
