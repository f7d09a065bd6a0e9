"""Reply slots: order, RESP versions, and memory while replies wait or leave in pieces."""

import pytest
from resp_requests import request

from protocol import OK, LazyArray, Session, Verbatim


def test_replies_leave_in_the_order_asked():
    """A later reply that is known first waits for the earlier one, finished bytes between them too."""
    session = Session()
    slots = session.slots
    first, second = slots.open(2), slots.open(2)
    slots.append_bytes(b"+hit\r\n")
    slots.reply(OK, 2)
    third = slots.open(2)
    assert slots.fill(third, 3) is False
    assert slots.fill(second, 2) is False
    assert session.take_output() == b""
    assert slots.fill(first, 1) is True
    assert session.take_output() == b":1\r\n:2\r\n+hit\r\n+OK\r\n:3\r\n"
    assert (slots.open_count, session.pending_output_bytes) == (0, 0)


def test_a_reply_keeps_the_version_its_command_was_asked_under():
    """HELLO 3 behind a slow miss does not change how the miss is answered."""
    session = Session()
    slot = session.slots.open(session.proto)
    session.proto = 3
    session.slots.reply(None, session.proto)
    session.slots.fill(slot, None)
    assert session.take_output() == b"$-1\r\n_\r\n"


def test_a_slot_is_filled_once():
    """Filling again, a slot that left, or one that was never opened is our bug and says so."""
    session = Session()
    slots = session.slots
    slot = slots.open(2)
    slots.open(2)
    slots.fill(slot, OK)
    for unknown in (slot, 0, slot + 2):
        with pytest.raises(KeyError):
            slots.fill(unknown, OK)
    assert session.take_output() == b"+OK\r\n"
    with pytest.raises(KeyError):
        slots.fill(slot, OK)
    assert slots.fill(slot + 1, OK) is True


def test_a_large_array_is_produced_as_the_output_drains():
    """Of a million elements no more are made than one limit's worth of bytes needs."""
    made = 0

    def elements():
        nonlocal made
        for number in range(1_000_000):
            made += 1
            yield b"%06d" % number

    session = Session()
    session.slots.reply(LazyArray(1_000_000, elements()), 2)
    session.slots.reply(OK, 2)
    head = session.take_output(4096)
    assert 4096 <= len(head) < 4096 + 64
    assert made < 400
    rest = bytearray(head)
    while piece := session.take_output(64 * 1024):
        assert len(piece) < 65 * 1024
        rest += piece
    assert made == 1_000_000
    assert rest.startswith(b"*1000000\r\n$6\r\n000000\r\n")
    assert rest.endswith(b"$6\r\n999999\r\n+OK\r\n")
    assert len(rest) == len(b"*1000000\r\n") + 1_000_000 * 12 + 5


@pytest.mark.parametrize("proto", [2, 3])
def test_nested_containers_in_pieces_equal_the_whole(proto):
    """Whatever the limit, pieces together are what one encoding gives: lists in maps in lists, large values, sets."""
    reply = [
        b"a",
        {b"k": [1, [], {b"x": None}], b"large": b"v" * 150_000},
        (),
        {b"only"},
        Verbatim(b"txt", b"t"),
        [[[]]],
    ]
    session = Session()
    session.slots.reply(reply, proto)
    whole = session.take_output()
    assert len(whole) > 150_000
    for limit in (1, 10, 70_000):
        session.slots.reply(reply, proto)
        pieces = list(iter(lambda limit=limit: session.take_output(limit), b""))
        assert len(pieces) > 1
        assert b"".join(pieces) == whole


def test_a_large_value_leaves_in_pieces():
    """A reply of 8 MiB is never copied whole: what is ready stays near the limit."""
    session = Session()
    session.slots.reply(b"v" * (8 << 20), 2)
    sizes = [len(piece) for piece in iter(lambda: session.take_output(64 * 1024), b"")]
    assert sum(sizes) == (8 << 20) + len(b"$8388608\r\n\r\n")
    assert max(sizes) <= 128 * 1024 + 16


def test_waiting_replies_are_counted():
    """What waits behind an open slot counts against the output limits, large containers by a sample."""
    session = Session()
    slots = session.slots
    first = slots.open(2)
    empty = session.pending_output_bytes
    assert empty > 0
    slots.append_bytes(b"x" * 1000)
    assert session.pending_output_bytes == empty + 1000
    slots.reply([b"v" * 1000] * 10_000, 2)
    assert 10_000_000 < session.pending_output_bytes < 12_000_000
    slots.reply({b"%06d" % number: b"v" * 94 for number in range(10_000)}, 2)
    assert 11_000_000 < session.pending_output_bytes < 14_000_000
    slots.fill(first, None)
    session.take_output()
    assert session.pending_output_bytes == 0


def test_an_array_of_another_length_than_announced_is_an_error():
    """It would desync the client, so the caller must drop the connection."""
    for length in (1, 3):
        session = Session()
        session.slots.reply(LazyArray(length, iter([1, 2])), 2)
        with pytest.raises(RuntimeError, match="announced"):
            session.take_output()


def test_clear_forgets_everything():
    """After clear nothing is pending, and late answers to slots of the gone connection are refused."""
    session = Session()
    slots = session.slots
    slot = slots.open(2)
    slots.reply([1], 2)
    slots.clear()
    assert session.pending_output_bytes == 0
    assert session.take_output() == b""
    with pytest.raises(KeyError):
        slots.fill(slot, OK)


def test_ten_thousand_pipelined_misses_answer_in_order():
    """Filling from the back costs no more than from the front and order holds."""
    session = Session()
    session.feed(request(b"GET", b"k") * 10_000)
    opened = [session.slots.open(2) for _ in iter(session.next_command, None)]
    for slot in reversed(opened):
        session.slots.fill(slot, slot)
    assert session.take_output() == b"".join(b":%d\r\n" % slot for slot in opened)
