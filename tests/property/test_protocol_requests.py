"""However TCP cuts the stream, the parser yields the same commands, and nothing it cannot yield."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resp_requests import request

from protocol import FieldLists, ProtocolViolation, Session

arguments = st.binary(max_size=40) | st.sampled_from([b"\r\n", b"$1\r\n", b"*1\r\n", b""])
commands = st.lists(arguments, min_size=1, max_size=8).filter(
    lambda args: args[0].lower() != b"post" and not args[0].lower().startswith(b"host:")
)
field_lists = st.sampled_from([[b"f%d" % at for at in range(size)] for size in (4, 5, 40)])
hmgets = st.tuples(st.sampled_from([b"HMGET", b"hmget"]), st.binary(max_size=5), field_lists).map(
    lambda parts: [parts[0], parts[1], *parts[2]]
)
fragments = st.sampled_from(
    [
        b"*1\r\n",
        b"*2\r\n",
        b"*-1\r\n",
        b"$4\r\n",
        b"$0\r\n\r\n",
        b"\r\n",
        b"\n",
        b"PING",
        b'"',
        b"'",
        b"\\x",
        b" ",
        b"*",
    ]
)


@st.composite
def cut(draw, stream: bytes) -> list[bytes]:
    """The stream in pieces, empty ones included."""
    at = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    return [stream[start:end] for start, end in zip([0, *at], [*at, len(stream)], strict=True)]


def outcome(pieces: list[bytes], lists: FieldLists) -> tuple[list[list[bytes]], bytes | None, bytes]:
    """Commands, the violation that ended the stream, and what was answered."""
    session, got = Session(lists=lists), []
    try:
        for piece in pieces:
            session.feed(piece)
            got += iter(session.next_command, None)
    except ProtocolViolation as violation:
        return got, violation.text, session.take_output()
    return got, None, session.take_output()


@settings(max_examples=300, deadline=None)
@given(wanted=st.lists(commands | hmgets, max_size=20), data=st.data())
def test_split_reads_change_nothing(wanted, data):
    """Encoded commands come out as they went in: whole, cut anywhere, byte by byte, and with remembered lists."""
    stream = b"".join(request(*each) for each in wanted)
    lists = FieldLists()
    for pieces in ([stream], data.draw(cut(stream)), [bytes([byte]) for byte in stream], [stream], [stream]):
        assert outcome(pieces, lists) == (wanted, None, b"")


@settings(max_examples=500, deadline=None)
@given(
    parts=st.lists(fragments | st.binary(max_size=6) | commands.map(lambda each: request(*each)), max_size=12),
    data=st.data(),
)
def test_any_bytes_mean_the_same_however_they_are_cut(parts, data):
    """Broken streams too: the same commands, then the same violation."""
    stream = b"".join(parts)
    lists = FieldLists()
    whole = outcome([stream], lists)
    assert outcome([bytes([byte]) for byte in stream], lists) == whole
    assert outcome(data.draw(cut(stream)), lists) == whole


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6))
def test_inline_words_survive_quoting(words):
    """Any bytes can be written inline as hexadecimal escapes between double quotes."""
    line = b" ".join(b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"' for word in words)
    got, violation, _ = outcome([line + b"\r\n"], FieldLists())
    if words[0].lower() == b"post" or words[0].lower().startswith(b"host:"):
        assert violation == b""
    else:
        assert (got, violation) == ([words], None)


@pytest.mark.parametrize("piece_bytes", [1000, 4096])
def test_many_arguments_in_pieces_cost_their_bytes(piece_bytes):
    """200,000 arguments and a value of 4 MiB in thousands of pieces move some dozen times only."""
    stream = request(*[b"x"] * 200_000) + request(b"SET", b"k", b"v" * (4 << 20))
    session, got, sizes = Session(), [], []
    for at in range(0, len(stream), piece_bytes):
        session.feed(stream[at : at + piece_bytes])
        got += iter(session.next_command, None)
        sizes.append(session.held_bytes)
    assert [len(each) for each in got] == [200_000, 3]
    assert max(sizes) > 4 << 20
    assert sum(before != after for before, after in itertools.pairwise(sizes)) < 60
