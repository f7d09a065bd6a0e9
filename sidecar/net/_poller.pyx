"""All client sockets in one epoll set: what is ready in one callback of the loop is one turn.

    turn:  clock -> per group of connections:  recv -> parse -> hash, prefetch, look up, reply -> send
           -> misses and writes leave as one batch -> sockets accepted and closed

Commands of a group are parsed ahead of their execution, so that the first keys of all its connections are hashed
and prefetched together. They are spans into what was received, valid until their connection is finished with.
When a connection's output passes its session's pause_bytes its parser is wound back to the first command not yet run, and neither
parsed nor read until the socket has drained: memory per client stays bounded, whatever it asks for.

Work per turn is bounded per connection (SLICE_BYTES received, COMMANDS_PER_TURN run, SEND_PER_TURN sent); what is
left is carried to the next turn, behind everybody else's.
"""
import cython
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset
from protocol._commands cimport EXISTS, GET, HGET, HGETALL, HMGET, find_command
from protocol._parser cimport COMMAND, NEED_DATA, Arg, ParseResult
from protocol._session cimport Session
from protocol._slots cimport ReplySlots
from protocol._writer cimport pending
from sidecar.metrics._counters cimport bit_length
from sidecar.net cimport _sockets as sockets
from sidecar.net._sockets cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, epoll_event, errno

from protocol.replies import ErrorReply

cdef enum:
    MAX_EVENTS = 512
    GROUP = 32                       # connections received and parsed together: 32 x 64 KiB of scratch stays in L2
    SLICE_BYTES = 64 * 1024          # received per connection and turn
    COMMANDS_PER_TURN = 256          # run per connection and turn
    SEND_PER_TURN = 1024 * 1024
    PREFETCH_AHEAD = 64              # commands whose first keys are on their way at once
    SEND_AHEAD = 32 * 1024           # replies are sent within a connection's part of a turn when there are so many
    PUMP_BYTES = 32 * 1024           # encoded at once of replies too large for one piece: what a full socket leaves behind
    CONNECTION_BYTES = 4096          # a connection's own objects
    MAX_OPEN_SLOTS = 1024            # unanswered commands per connection before it is paused: a slot is ~0.5 KiB
    ARGS_KEPT = 64 * 1024            # arguments' room kept between turns
    SAMPLE_MASK = 63                 # one hit in 64 is timed for the duration histogram
    ACCEPTS_PER_TURN = 128
    RECV_MINIMUM = 4096

INTERNAL_ERROR = ErrorReply(b"ERR internal error")


@cython.final
cdef class Poller:
    """The client side of the process.

    Args:
        loop: the event loop; ``loop.add_reader`` watches the epoll set.
        hot: answers from memory.
        lists: the remembered field lists that the sessions' parsers share.
        use_epoll: False: each socket is watched by the loop (where there is no epoll, and in tests of that way).
    """

    def __cinit__(self, loop, HotCommands hot not None, FieldLists lists not None, bint use_epoll=True):
        self.loop = loop
        self.hot = hot
        self.store = hot.store
        self.counters = hot.counters
        self.lists = lists
        self.out = ReplyBuffer()
        self.connections = set()
        self.listeners = {}
        self.lingering = {}
        self.carried = []
        self.dirty = []
        self.closing = []
        self.locks = None
        self.output_limit_bytes = 1 << 20
        self.memory = ClientMemory(64 << 20)
        self.stall_ns = 2_000_000_000
        self.incomplete_ns = 30_000_000_000
        self.linger_ns = 2_000_000_000
        self.by_fd_size = 1024
        self.by_fd = <PyObject**>calloc(self.by_fd_size, sizeof(PyObject*))
        self.events = <epoll_event*>malloc(MAX_EVENTS * sizeof(epoll_event))
        self.scratch = <uint8_t*>malloc(GROUP * SLICE_BYTES)
        self.command_capacity = 1024
        self.commands = <Command*>malloc(self.command_capacity * sizeof(Command))
        self.arg_capacity = 4096
        self.args = <Arg*>malloc(self.arg_capacity * sizeof(Arg))
        if not (self.by_fd and self.events and self.scratch and self.commands and self.args):
            raise MemoryError
        self.epoll = sockets.epoll_create1(sockets.EPOLL_CLOEXEC) if use_epoll else -1
        if self.epoll >= 0:
            loop.add_reader(self.epoll, self.turn)

    def __dealloc__(self):
        if self.epoll >= 0:
            sockets.close(self.epoll)
        free(self.by_fd)
        free(self.events)
        free(self.scratch)
        free(self.commands)
        free(self.args)

    # ---------------------------------------------------------------- the turn

    def turn(self):
        """Serve every socket that is ready."""
        cdef int ready, i, fd
        cdef uint32_t events
        cdef list reading = []
        cdef list accepting = []
        cdef Connection connection
        ready = sockets.epoll_wait(self.epoll, self.events, MAX_EVENTS, 0)
        self.begin_turn()
        for i in range(ready):
            fd = self.events[i].data.fd
            events = self.events[i].events
            if fd >= self.by_fd_size or self.by_fd[fd] == NULL:
                if fd in self.listeners:
                    accepting.append(fd)
                elif fd in self.lingering:
                    self.discard_input(fd)
                continue
            connection = <Connection>self.by_fd[fd]
            self.note_ready(connection, events, reading)
        if reading:
            self.serve(reading)
        self.end_turn()
        for fd in accepting:
            self.accept_all(fd)

    def socket_ready(self, int fd, bint writable):
        """One socket is ready: the way without epoll, a turn of one connection."""
        cdef list reading = []
        if fd in self.listeners:
            self.accept_all(fd)
            return
        if fd >= self.by_fd_size or self.by_fd[fd] == NULL:
            if fd in self.lingering:
                self.discard_input(fd)
            return
        self.begin_turn()
        self.note_ready(<Connection>self.by_fd[fd], EPOLLOUT if writable else EPOLLIN, reading)
        if reading:
            self.serve(reading)
        self.end_turn()

    cdef int note_ready(self, Connection connection, uint32_t events, list reading) except -1:
        if events & EPOLLOUT:
            self.flush(connection)
        if connection.fd >= 0 and events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            if connection.reading:
                reading.append(connection)
            elif events & (EPOLLERR | EPOLLHUP):
                self.remove(connection, True)       # nobody will take what is pending
        return 0

    def carried_turn(self):
        """Go on with what the last turns left: input held back, replies that were filled meanwhile."""
        cdef list carried
        cdef Connection connection
        self.turn_scheduled = False
        self.begin_turn()
        carried, self.carried = self.carried, []
        for connection in carried:
            connection.carried = False
        carried = [connection for connection in carried if connection.fd >= 0 and not connection.paused]
        if carried:
            self.serve(carried)
        self.end_turn()

    cdef int begin_turn(self) except -1:
        cdef uint64_t now = sockets.sidecar_boottime_ns()
        self.in_turn = True
        self.turns += 1
        self.turn_ns = sockets.sidecar_monotonic_ns()
        self.store.now = <uint32_t>((now + 9_999_999) // 10_000_000)    # sidecar.clock.ceil_tick
        self.store.wall_ms = sockets.sidecar_wall_ms()
        return 0

    cdef int end_turn(self) except -1:
        """Let the turn's misses and writes leave, send what was answered meanwhile, close what is done."""
        cdef list stale, closing
        cdef int fd
        if self.hot.stale_keys:
            stale, self.hot.stale_keys = self.hot.stale_keys, []
            self.slow_commands = True
            self.guarded(self.revalidate, stale)
        if self.slow_commands:
            self.slow_commands = False
            self.guarded(self.end_of_turn)
        self.in_turn = False
        if self.dirty:
            self.flush_dirty()
        if self.closing:
            closing, self.closing = self.closing, []
            for fd in closing:
                sockets.close(fd)
        self.lists.free_retired()
        if self.arg_capacity > ARGS_KEPT:
            free(self.args)
            self.arg_capacity = 4096
            self.args = <Arg*>malloc(self.arg_capacity * sizeof(Arg))
            if self.args == NULL:
                raise MemoryError
        return 0

    def guarded(self, function, *arguments):
        """Call into the miss path; its bug must not end the turn."""
        try:
            function(*arguments)
        except Exception as error:
            self.on_error(error)

    cdef int serve(self, list ready) except -1:
        cdef Py_ssize_t first = 0
        cdef Py_ssize_t count = len(ready)
        while first < count:
            self.serve_group(ready if count <= GROUP else ready[first:first + GROUP])
            first += GROUP
        return 0

    cdef int serve_group(self, list group) except -1:
        cdef Connection connection
        cdef uint32_t index = 0
        self.command_total = 0
        self.arg_total = 0
        self.prefetched = 0
        for connection in group:
            connection.command_count = 0
            try:
                if connection.fd >= 0:
                    self.receive(connection, self.scratch + index * SLICE_BYTES)
                if connection.fd >= 0:
                    self.parse(connection)
            except Exception as error:
                self.give_up(connection, error)
            index += 1
        for connection in group:
            if connection.fd >= 0:
                connection.sink = self.out
                try:
                    self.run_commands(connection)
                    self.finish(connection)
                except Exception as error:
                    self.give_up(connection, error)
                connection.sink = None
                self.out.start = 0
                self.out.end = 0
        return 0

    cdef int give_up(self, Connection connection, object error) except -1:
        """A failure that no command is to blame for (out of memory, a bug): this client pays, the others go on."""
        self.on_error(error)
        return self.remove(connection, True)

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

    cdef int receive(self, Connection connection, uint8_t* slice_) except -1:
        """One recv into the turn's scratch, or behind what is held of an incomplete request."""
        cdef ssize_t got
        cdef size_t space
        cdef uint8_t* room
        if connection.has_input or connection.peer_done:
            return 0
        if connection.parser.mid_request:
            room = connection.parser.reserve(RECV_MINIMUM, &space)
            got = sockets.recv(connection.fd, room, min(space, <size_t>SLICE_BYTES), 0)
            if got > 0:
                connection.parser.commit(got)
        else:
            got = sockets.recv(connection.fd, slice_, SLICE_BYTES, 0)
            if got > 0:
                connection.parser.borrow(slice_, got)
        if got > 0:
            connection.active_ns = self.turn_ns
        elif got == 0:
            connection.peer_done = True
        elif errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
            self.remove(connection, True)
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
        if command_id not in (GET, HGET, HMGET, HGETALL, EXISTS) or command.argc < 2:
            return False
        if command_id == EXISTS and command.argc != 2:
            return False
        if held is None or connection.behind or None in held:
            return False
        return command.args[1].data[:command.args[1].size] not in held

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

    cdef int finish(self, Connection connection) except -1:
        """This connection's part of the turn is over: keep what is incomplete, send what is ready."""
        if connection.fd < 0:
            return 0
        if connection.broken and not connection.session.closing:
            connection.settle()
            connection.session.violated()
        elif connection.peer_done and not connection.has_input:
            connection.session.closing = True
        connection.parser.release()
        if connection.parser.mid_request and not connection.has_input:
            if connection.input_ns == 0:
                connection.input_ns = self.turn_ns
        else:
            connection.input_ns = 0
        self.flush(connection)
        if connection.fd >= 0 and connection.has_input and not connection.paused:
            self.carry(connection)
        return 0

    # ---------------------------------------------------------------- output

    cdef int flush(self, Connection connection) except -1:
        """Send what is ready; keep the rest; pause, resume or close by what is then pending."""
        cdef ReplySlots slots = connection.slots
        cdef ReplyBuffer ready = slots.ready
        cdef ssize_t sent
        cdef size_t size, total = 0
        cdef bint blocked = False
        if connection.fd < 0:
            return 0
        if not connection.writing:
            connection.progress_ns = self.turn_ns        # nothing waited until now
        if connection.sink is not None and pending(self.out):
            size = pending(self.out)
            if pending(ready) == 0 and slots.open_count == 0 and not slots.has_filled_head():
                sent = sockets.send(connection.fd, self.out.data + self.out.start, size, sockets.MSG_NOSIGNAL)
                if sent < 0:
                    if errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
                        return self.remove(connection, True)
                    sent = 0
                self.out.start += sent
                blocked = <size_t>sent < size
            connection.settle()
        while not blocked:
            if slots.has_filled_head():
                try:
                    slots.pump(PUMP_BYTES)
                except Exception as error:       # a reply that is none: what follows it cannot be told apart
                    self.on_error(error)
                    return self.remove(connection, True)
            size = pending(ready)
            if size == 0:
                break
            sent = sockets.send(connection.fd, ready.data + ready.start, size, sockets.MSG_NOSIGNAL)
            if sent < 0:
                if errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
                    return self.remove(connection, True)
                sent = 0
            if sent:
                connection.progress_ns = self.turn_ns
                connection.drained |= connection.writing
                ready.consume(sent)
                total += sent
            blocked = <size_t>sent < size
            if total >= SEND_PER_TURN and not blocked:
                self.mark_dirty(connection)
                break
        if blocked:
            ready.shrink()
            connection.kernel_bytes = sockets.sidecar_kernel_holds(connection.fd)
        if blocked != connection.writing:
            self.watch(connection, connection.reading, blocked)
        return self.account(connection)

    cdef int account(self, Connection connection) except -1:
        """Count what is held for the client; pause or resume it; close it when it is done."""
        cdef size_t output = connection.slots.pending_bytes()
        cdef size_t held = CONNECTION_BYTES + output + connection.parser.held_bytes() + connection.session.queue_bytes
        cdef size_t cap
        held += connection.slots.ready.capacity - pending(connection.slots.ready)
        held += held // 4                                             # what allocators add, measured
        self.memory.held_bytes += held - connection.accounted_bytes        # unsigned: wraps back
        connection.accounted_bytes = held
        if connection.session.closing and output == 0 and connection.slots.open_count == 0:
            return self.remove(connection, False)
        cap = connection.output_cap()
        if output > cap or connection.slots.open_count > MAX_OPEN_SLOTS or connection.slots.lazy_count:
            connection.paused = True
        elif connection.paused and output <= cap // 2 and connection.slots.open_count <= MAX_OPEN_SLOTS // 2:
            self.resume(connection)
        if connection.when_drained and (connection.drains(cap // 2) or connection.slots.has_open_head()):
            callbacks, connection.when_drained = connection.when_drained, []
            for callback in callbacks:
                self.loop.call_soon(callback)
        self.watch(
            connection,
            not (connection.paused or connection.session.closing or connection.peer_done or connection.has_input),
            connection.writing,
        )
        if self.memory.held_bytes > self.memory.limit_bytes:
            self.abort_biggest()
        return 0

    cdef int resume(self, Connection connection) except -1:
        connection.paused = False
        connection.input_ns = 0          # the rest of a request has all its time from now on
        if connection.parser.held_bytes():
            connection.has_input = True
        if connection.has_input:
            self.carry(connection)
        return 0

    cdef int carry(self, Connection connection) except -1:
        """Go on with this connection's input in the next turn."""
        if connection.carried:
            return 0
        connection.carried = True
        self.carried.append(connection)
        if not self.turn_scheduled:
            self.turn_scheduled = True
            self.loop.call_soon(self.carried_turn)
        return 0

    def mark_dirty(self, Connection connection not None):
        """Have a connection's replies sent soon: at the turn's end, or by a callback of its own."""
        if connection.dirty:
            return
        connection.dirty = True
        self.dirty.append(connection)
        if not self.in_turn and not self.flush_scheduled:
            self.flush_scheduled = True
            self.loop.call_soon(self.flush_dirty)

    @property
    def client_bytes(self):
        """What is held for all connections."""
        return self.memory.held_bytes

    @property
    def client_memory_limit_bytes(self):
        """Past it the biggest client is aborted."""
        return self.memory.limit_bytes

    @client_memory_limit_bytes.setter
    def client_memory_limit_bytes(self, size_t limit_bytes):
        self.memory.limit_bytes = limit_bytes

    def flush_dirty(self):
        """Send for every connection that was marked."""
        cdef list dirty
        cdef Connection connection
        self.flush_scheduled = False
        dirty, self.dirty = self.dirty, []
        if not self.in_turn:
            self.turn_ns = sockets.sidecar_monotonic_ns()
        for connection in dirty:
            connection.dirty = False
        for connection in dirty:
            self.flush(connection)
        self.memory.filled_bytes = 0
        if self.dirty and not self.flush_scheduled:
            self.flush_scheduled = True
            self.loop.call_soon(self.flush_dirty)

    def add_duration(self, uint32_t family, uint64_t ns):
        """Count one command's duration."""
        self.counters.durations[family][min(bit_length(ns), <uint32_t>39)] += 1
        self.counters.duration_ns[family] += ns
        self.counters.duration_samples[family] += 1

    # ---------------------------------------------------------------- sockets

    cdef int watch(self, Connection connection, bint reading, bint writing) except -1:
        """Change which readiness the connection waits for."""
        cdef epoll_event event
        cdef int fd = connection.fd
        if connection.reading == reading and connection.writing == writing:
            return 0
        if self.epoll >= 0:
            event.events = (EPOLLIN if reading else 0) | (EPOLLOUT if writing else 0)
            event.data.fd = fd
            sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_MOD, fd, &event)
        else:
            if connection.reading != reading:
                if reading:
                    self.loop.add_reader(fd, self.socket_ready, fd, False)
                else:
                    self.loop.remove_reader(fd)
            if connection.writing != writing:
                if writing:
                    self.loop.add_writer(fd, self.socket_ready, fd, True)
                else:
                    self.loop.remove_writer(fd)
        connection.reading = reading
        connection.writing = writing
        return 0

    def listen(self, int fd):
        """Accept from a listening, non-blocking socket."""
        cdef epoll_event event
        self.listeners[fd] = True
        if self.epoll >= 0:
            event.events = EPOLLIN
            event.data.fd = fd
            if sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_ADD, fd, &event) < 0:
                raise OSError(errno, "epoll_ctl")
        else:
            self.loop.add_reader(fd, self.socket_ready, fd, False)

    def unlisten(self, int fd):
        """Accept no more from this socket; the caller closes it."""
        cdef epoll_event event
        if self.listeners.pop(fd, None) is None:
            return
        if self.epoll >= 0:
            sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_DEL, fd, &event)
        else:
            self.loop.remove_reader(fd)

    cdef int accept_all(self, int listener) except -1:
        """Accept what waits, a bounded number; without descriptors or memory, try again a little later."""
        cdef int fd, i
        for i in range(ACCEPTS_PER_TURN):
            fd = sockets.sidecar_accept(listener)
            if fd >= 0:
                self.admit(listener, fd)
            elif errno in (sockets.EMFILE, sockets.ENFILE, sockets.ENOBUFS, sockets.ENOMEM):
                self.on_error(OSError(errno, "cannot accept a connection: accepting again in 100 ms"))
                self.unlisten(listener)
                self.loop.call_later(0.1, self.listen, listener)
                return 0
            elif errno not in (sockets.EINTR, sockets.ECONNABORTED):
                return 0
        return 0

    def admit(self, int listener, int fd):
        """Serve a newly accepted socket, unless on_connect refuses it."""
        cdef Session session
        try:
            session = self.on_connect(listener, fd)
        except Exception as error:
            self.on_error(error)
            session = None
        if session is None:
            sockets.close(fd)
            return None
        return self.adopt(fd, session)

    def adopt(self, int fd, Session session not None):
        """Serve a connected, non-blocking socket from now on; the poller owns the descriptor."""
        cdef Connection connection = Connection(session, fd, self, self.memory)
        cdef epoll_event event
        cdef int size
        cdef PyObject** grown
        if fd >= self.by_fd_size:
            size = self.by_fd_size
            while size <= fd:
                size *= 2
            grown = <PyObject**>realloc(self.by_fd, size * sizeof(PyObject*))
            if grown == NULL:
                raise MemoryError
            memset(grown + self.by_fd_size, 0, (size - self.by_fd_size) * sizeof(PyObject*))
            self.by_fd = grown
            self.by_fd_size = size
        self.by_fd[fd] = <PyObject*>connection
        self.connections.add(connection)
        if self.epoll >= 0:
            event.events = EPOLLIN
            event.data.fd = fd
            if sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_ADD, fd, &event) < 0:
                raise OSError(errno, "epoll_ctl")
        else:
            self.loop.add_reader(fd, self.socket_ready, fd, False)
        return connection

    cdef int remove(self, Connection connection, bint reset) except -1:
        """Let go of a socket; with `reset` the peer sees RST and nothing lingers in the kernel."""
        cdef int fd = connection.fd
        if fd < 0:
            return 0
        if self.epoll < 0:
            if connection.reading:
                self.loop.remove_reader(fd)
            if connection.writing:
                self.loop.remove_writer(fd)
        connection.fd = -1
        self.by_fd[fd] = NULL
        self.connections.discard(connection)
        self.memory.held_bytes -= connection.accounted_bytes
        connection.accounted_bytes = 0
        connection.slots.clear()
        connection.started.clear()
        connection.session.closing = True
        if reset:
            sockets.sidecar_reset_on_close(fd)
        elif not connection.peer_done and sockets.sidecar_kernel_holds(fd) > 0:
            return self.linger(fd)
        return self.close_socket(fd)

    cdef int close_socket(self, int fd) except -1:
        if self.in_turn:
            # Only after the turn: an accept within it must not be given the same descriptor
            self.closing.append(fd)
        else:
            sockets.close(fd)
        return 0

    cdef int linger(self, int fd) except -1:
        """Keep a socket while the system sends its last replies, and read and forget what its peer still sends.

        Input that is unread at a close, or comes after it, makes the system reset the connection and discard what the
        peer's system does not have yet.
        """
        cdef epoll_event event
        sockets.shutdown(fd, sockets.SHUT_WR)
        self.lingering[fd] = self.turn_ns + self.linger_ns
        if self.epoll >= 0:
            event.events = EPOLLIN
            event.data.fd = fd
            sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_MOD, fd, &event)
        else:
            self.loop.add_reader(fd, self.socket_ready, fd, False)
        return 0

    cdef int discard_input(self, int fd) except -1:
        """Before the turn's connections are served: their commands will stand in the scratch that is used here."""
        cdef ssize_t got = sockets.recv(fd, self.scratch, GROUP * SLICE_BYTES, 0)
        if got == 0 or got < 0 and errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
            self.end_lingering(fd)
        return 0

    cdef int end_lingering(self, int fd) except -1:
        del self.lingering[fd]
        if self.epoll < 0:
            self.loop.remove_reader(fd)
        return self.close_socket(fd)

    def still_sending(self):
        """How many sockets go on sending after their last reply. Those that are done or out of time are closed."""
        cdef uint64_t now = sockets.sidecar_monotonic_ns()
        for fd, until_ns in list(self.lingering.items()):
            if now > until_ns or sockets.sidecar_kernel_holds(fd) <= 0:
                self.end_lingering(fd)
        return len(self.lingering)

    def abort(self, Connection connection not None):
        """Reset a connection at once."""
        self.remove(connection, True)

    def abort_biggest(self):
        """Free the memory of the client that holds most of it; of one whose peer takes nothing, if it holds half as much."""
        cdef Connection connection, victim
        while True:
            victim = self.biggest_stuck()
            if victim is None or not victim.takes(self.turn_ns):
                break
        for connection in self.connections:
            if victim is None or connection.accounted_bytes // 2 > victim.accounted_bytes:
                victim = connection
        if victim is not None:
            self.aborted_memory += 1
            self.remove(victim, True)

    cdef Connection biggest_stuck(self):
        """Of the clients whose sockets are full and whose peers take nothing, as far as is known, the one that holds most."""
        cdef Connection connection, biggest = None
        for connection in self.connections:
            if (
                connection.writing
                and (not connection.drained or self.turn_ns - connection.progress_ns > self.stall_ns)
                and (biggest is None or connection.accounted_bytes > biggest.accounted_bytes)
            ):
                biggest = connection
        return biggest

    def sweep(self, uint64_t idle_timeout_ns=0):
        """Abort clients that take nothing while too much is pending, and close those idle or incomplete too long."""
        cdef Connection connection
        cdef uint64_t now = sockets.sidecar_monotonic_ns()
        self.turn_ns = now
        for connection in list(self.connections):
            if (
                connection.writing and connection.slots.pending_bytes() > self.output_limit_bytes
                and now - connection.progress_ns > self.stall_ns and not connection.takes(now)
            ):
                self.aborted_output += 1
                self.remove(connection, True)
            elif connection.reading and connection.input_ns and now - connection.input_ns > self.incomplete_ns:
                self.remove(connection, False)
            elif (
                idle_timeout_ns and now - connection.active_ns > idle_timeout_ns
                and connection.slots.open_count == 0 and connection.slots.pending_bytes() == 0
            ):
                self.remove(connection, False)
        self.still_sending()

    def drain(self):
        """Take no further command; each connection closes when its replies are out."""
        cdef Connection connection
        for connection in list(self.connections):
            connection.session.closing = True
            self.mark_dirty(connection)

    def close(self):
        """Let go of every socket."""
        cdef Connection connection
        for connection in list(self.connections):
            self.remove(connection, False)
        for fd in list(self.lingering):
            self.end_lingering(fd)
        for fd in list(self.listeners):
            self.unlisten(fd)
        if self.epoll >= 0:
            self.loop.remove_reader(self.epoll)
            sockets.close(self.epoll)
            self.epoll = -1
