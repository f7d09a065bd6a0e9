"""Ordered reply slots, see the .pxd.

A reply that waits behind an open slot is kept as the command layer gave it and encoded when its turn comes, under the
RESP version its command was asked under. A container is not encoded at once but walked: `pump` stops after the element
that fills the limit and goes on from there, so a reply of 100 MB costs its values (which the origin's answer holds
anyway) and one limit's worth of bytes. A bulk string over PIECE_BYTES leaves in pieces for the same reason: clients
that wait for one big value share the one bytes object.
"""

cimport cython
from collections import deque
from itertools import chain

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from protocol._writer cimport ReplyBuffer, begin_container, container_elements, pending
from protocol.replies import WAIT, LazyArray, SetReply, Status

cdef enum:
    PIECE_BYTES = 32 * 1024
    MADE_BYTES = 256 * 1024  # made for one client, a value is better copied than held until its last piece: what was sent of the copy is given back
    SLOT_BYTES = 160         # a slot's own objects, counted so that empty slots are not free
    SAMPLE = 64              # elements of a container that are looked at to estimate its size
    LARGE_BYTES = 256 * 1024 # a reply estimated larger is looked at wholly: HMGET may name one large field a thousand times
    SHARED_BYTES = 4096      # values from this size on are looked for in several places

cdef object END = object()


@cython.final
cdef class _Production:
    """A container or large bulk string on its way into the buffer: what is left of it."""
    cdef int proto
    cdef list walks              # [iterator, elements left] from the outermost container inwards
    cdef size_t piece_from       # bulk strings larger than this leave in pieces
    cdef bytes large             # a bulk string that leaves in pieces; None: none at the moment
    cdef size_t offset

    def __cinit__(self, int proto):
        self.proto = proto
        self.walks = []
        self.piece_from = PIECE_BYTES
        self.large = None
        self.offset = 0

    cdef int begin(self, object reply, ReplyBuffer to) except -1:
        cdef int64_t elements
        if type(reply) is bytes:
            if <size_t>PyBytes_GET_SIZE(reply) <= self.piece_from:
                to.text(<bytes>reply)
            else:
                to.header(c"$", PyBytes_GET_SIZE(reply))
                self.large = <bytes>reply
                self.offset = 0
            return 0
        if not is_container(reply):
            return to.encode(reply, self.proto)
        if isinstance(reply, LazyArray):
            self.piece_from = MADE_BYTES
        elements = begin_container(to, reply, self.proto)
        self.walks.append([container_elements(reply), elements])
        return 0

    cdef bint go_on(self, ReplyBuffer to, size_t limit) except -1:
        """Write until all is written (True) or `to` holds `limit` bytes."""
        cdef list walk
        while True:
            if self.large is not None and not self.go_on_with_large(to, limit):
                return False
            if not self.walks:
                return True
            if pending(to) >= limit:
                return False
            walk = <list>self.walks[len(self.walks) - 1]
            element = next(walk[0], END)
            if element is WAIT:
                return False
            if element is END:
                if walk[1] != 0:
                    raise RuntimeError("an array reply has fewer elements than it announced")
                self.walks.pop()
                continue
            if walk[1] == 0:
                raise RuntimeError("an array reply has more elements than it announced")
            walk[1] = walk[1] - 1
            self.begin(element, to)

    cdef bint go_on_with_large(self, ReplyBuffer to, size_t limit) except -1:
        cdef size_t size = PyBytes_GET_SIZE(self.large)
        cdef size_t piece
        while self.offset < size:
            if pending(to) >= limit:
                return False
            piece = size - self.offset
            if piece > PIECE_BYTES:
                piece = PIECE_BYTES
            to.raw(<const uint8_t*>PyBytes_AS_STRING(self.large) + self.offset, piece)
            self.offset += piece
        to.raw(<const uint8_t*>b"\r\n", 2)
        self.large = None
        return True


@cython.final
cdef class _Slot:
    """One reply's place, and the finished replies that stand between it and the next slot."""
    cdef int proto
    cdef bint filled
    cdef bint flat               # the reply is encoded at once
    cdef bint lazy               # the reply is a LazyArray
    cdef object reply
    cdef size_t held             # what its command holds until the slot is filled
    cdef size_t cost             # what it adds to queued_bytes, `held` and `behind` left out
    cdef _Production production   # None: not begun
    cdef ReplyBuffer behind      # None: nothing

    def __cinit__(self, int proto):
        self.proto = proto
        self.filled = False
        self.flat = False
        self.lazy = False
        self.reply = None
        self.held = 0
        self.cost = SLOT_BYTES
        self.production = None
        self.behind = None

    cdef bint produce(self, ReplyBuffer to, size_t limit) except -1:
        """True: the reply is wholly in `to`."""
        if self.production is None:
            if self.flat or not is_container(self.reply) and not is_large(self.reply):
                to.encode(self.reply, self.proto)
                self.reply = None
                return True
            self.production = _Production(self.proto)
            self.production.begin(self.reply, to)
            self.reply = None
        return self.production.go_on(to, limit)


@cython.final
cdef class ReplySlots:
    def __cinit__(self):
        self.ready = ReplyBuffer()
        self.queue = deque()
        self.first_slot = 1
        self.open_count = 0
        self.lazy_count = 0
        self.open_bytes = 0
        self.queued_bytes = 0

    cdef int append(self, const uint8_t* data, size_t size) except -1:
        cdef _Slot last
        if not self.queue:
            return self.ready.raw(data, size)
        last = <_Slot>self.queue[len(self.queue) - 1]
        if last.behind is None:
            last.behind = ReplyBuffer(tight=True)
        last.behind.raw(data, size)
        self.queued_bytes += size
        return 0

    def append_bytes(self, bytes finished not None):
        self.append(<const uint8_t*>PyBytes_AS_STRING(finished), PyBytes_GET_SIZE(finished))

    cpdef int reply(self, object reply, int proto) except -1:
        cdef uint64_t slot
        if not self.queue and not is_container(reply) and not is_large(reply):
            return self.ready.encode(reply, proto)
        slot = self.open(proto)
        self.fill(slot, reply)
        return 0

    cpdef uint64_t open(self, int proto, size_t held=0) except? 0:
        cdef _Slot place = _Slot(proto)
        place.held = held
        self.queue.append(place)
        self.open_count += 1
        self.open_bytes += SLOT_BYTES + held
        self.queued_bytes += SLOT_BYTES + held
        return self.first_slot + len(self.queue) - 1

    cpdef bint fill(self, uint64_t slot, object reply) except -1:
        cdef _Slot place
        cdef size_t size
        if slot < self.first_slot or slot - self.first_slot >= <uint64_t>len(self.queue):
            raise KeyError(slot)
        place = <_Slot>self.queue[slot - self.first_slot]
        if place.filled:
            raise KeyError(slot)
        size = flat_bytes(reply)
        place.flat = size > 0
        if size == 0:
            size = reply_bytes(reply)
        place.reply = reply
        place.filled = True
        place.cost += size
        self.queued_bytes += size
        self.queued_bytes -= place.held
        self.open_bytes -= SLOT_BYTES + place.held
        self.open_count -= 1
        if type(reply) is LazyArray:
            place.lazy = True
            self.lazy_count += 1
        return slot == self.first_slot

    cdef bint has_filled_head(self) noexcept:
        return len(self.queue) > 0 and (<_Slot>self.queue[0]).filled

    cdef bint has_open_head(self) noexcept:
        return len(self.queue) > 0 and not (<_Slot>self.queue[0]).filled

    cdef int pump(self, size_t limit) except -1:
        cdef _Slot head
        cdef size_t moved
        while self.queue and pending(self.ready) < limit:
            head = <_Slot>self.queue[0]
            if not head.filled or not head.produce(self.ready, limit):
                break
            self.queue.popleft()
            self.first_slot += 1
            self.queued_bytes -= head.cost
            self.lazy_count -= head.lazy
            if head.behind is not None:
                moved = pending(head.behind)
                self.queued_bytes -= moved
                self.ready.raw(head.behind.data + head.behind.start, moved)
        return 0

    cdef size_t pending_bytes(self) noexcept:
        return pending(self.ready) + self.queued_bytes

    cpdef void clear(self):
        self.first_slot += len(self.queue)
        self.queue.clear()
        self.open_count = 0
        self.lazy_count = 0
        self.open_bytes = 0
        self.queued_bytes = 0
        self.ready.release_storage()


cdef inline bint is_container(object reply) except -1:
    sort = type(reply)
    if sort is bytes or reply is None or sort is int or sort is Status:
        return False
    return sort is list or isinstance(reply, (list, tuple, dict, LazyArray, set, frozenset, SetReply))


cdef size_t flat_bytes(object reply) except? 0:
    """About what a short list or dict of values holds; 0: it is none.

    MGET, HMGET and HGETALL answer these: they are encoded at once and not walked, 50 values in 0.7 us instead of 1.4.
    """
    cdef size_t total = 64
    if type(reply) is list and len(<list>reply) <= SAMPLE:
        for element in <list>reply:
            if type(element) is bytes:
                total += PyBytes_GET_SIZE(element) + 48
            elif element is not None:
                return 0
    elif type(reply) is dict and len(<dict>reply) <= SAMPLE:
        for key, element in (<dict>reply).items():
            if type(key) is not bytes or type(element) is not bytes:
                return 0
            total += PyBytes_GET_SIZE(key) + PyBytes_GET_SIZE(element) + 96
    else:
        return 0
    return total if total <= PIECE_BYTES else 0


cdef inline bint is_large(object reply) noexcept:
    return type(reply) is bytes and PyBytes_GET_SIZE(reply) > PIECE_BYTES


cdef size_t reply_bytes(object reply) except? 0:
    """About what a kept reply holds, from at most SAMPLE elements a container."""
    cdef size_t total = 0
    cdef int looked = 0
    if type(reply) is bytes:
        return PyBytes_GET_SIZE(reply) + 48
    if type(reply) is Status:
        return 48
    if isinstance(reply, LazyArray):
        return reply.held_bytes + 48
    if isinstance(reply, (list, tuple, set, frozenset)):
        elements = reply
    elif isinstance(reply, dict):
        elements = chain.from_iterable(reply.items())
    else:
        return 48
    for element in elements:
        if looked == SAMPLE:
            break
        total += reply_bytes(element)
        looked += 1
    if looked == SAMPLE:
        total = total // SAMPLE * (len(reply) * (2 if isinstance(reply, dict) else 1))
    if total > LARGE_BYTES:
        return distinct_bytes(reply)
    return total + 64


cdef size_t distinct_bytes(object reply) except? 0:
    """As reply_bytes, all elements looked at and large values that stand in several places counted once."""
    cdef size_t total = 64
    cdef set seen = set()
    cdef list left = [reply]
    while left:
        item = left.pop()
        if isinstance(item, (list, tuple, set, frozenset)):
            total += 64
            left.extend(item)
        elif isinstance(item, dict):
            total += 64
            left.extend(item)
            left.extend(item.values())
        elif type(item) is not bytes:
            total += reply_bytes(item)
        elif PyBytes_GET_SIZE(item) < SHARED_BYTES:
            total += PyBytes_GET_SIZE(item) + 48
        elif id(item) not in seen:
            seen.add(id(item))
            total += PyBytes_GET_SIZE(item) + 48
    return total
