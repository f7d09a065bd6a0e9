"""What we write, an independent reader (hiredis) reads back; slots behave as a list of replies would."""

import hiredis
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import ErrorReply, LazyArray, Session, Status, Verbatim

scalars = (
    st.binary(max_size=30)
    | st.integers(-(2**63), 2**63 - 1)
    | st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.sampled_from([Status(b"OK"), Verbatim(b"txt", b"some text")])
    | st.just(70_000).map(bytes)  # larger than a piece
)
replies = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.binary(max_size=5), inner, max_size=4)
        | st.frozensets(st.binary(max_size=5), max_size=4)
    ),
    max_leaves=20,
)


def as_read(reply, proto: int):
    """How hiredis shows a reply."""
    if isinstance(reply, Status | Verbatim):
        return reply.text
    if isinstance(reply, bool) and proto == 2:
        return int(reply)
    if isinstance(reply, float) and proto == 2:
        return ("text of", reply)
    if isinstance(reply, dict):
        pairs = [(as_read(key, proto), as_read(value, proto)) for key, value in reply.items()]
        return dict(pairs) if proto == 3 else [each for pair in pairs for each in pair]
    if isinstance(reply, frozenset):
        return ("elements of", reply)
    if isinstance(reply, list | tuple):
        return [as_read(each, proto) for each in reply]
    return reply


def same(read, wanted) -> bool:
    """Equality; a double in RESP2 is text; hiredis shows a set as a list."""
    if isinstance(wanted, tuple):
        kind, value = wanted
        return float(read) == value if kind == "text of" else (len(read) == len(value) and set(read) == set(value))
    if isinstance(wanted, list):
        return isinstance(read, list) and len(read) == len(wanted) and all(map(same, read, wanted))
    if isinstance(wanted, dict):
        return isinstance(read, dict) and read.keys() == wanted.keys() and all(same(read[k], wanted[k]) for k in wanted)
    return type(read) is type(wanted) and read == wanted


@settings(max_examples=300, deadline=None)
@given(reply=replies, proto=st.sampled_from([2, 3]), limit=st.sampled_from([1, 50, 65_536, None]))
def test_hiredis_reads_back_what_was_replied(reply, proto, limit):
    """Every nested reply, in both protocols, whole or in pieces, is read as it was meant."""
    session = Session()
    session.slots.reply(reply, proto)
    reader = hiredis.Reader()
    while piece := session.take_output(limit):
        reader.feed(piece)
    assert same(reader.gets(), as_read(reply, proto))
    assert reader.gets() is False


@settings(max_examples=200, deadline=None)
@given(text=st.binary(min_size=1, max_size=60))
def test_an_error_is_one_line_whatever_its_bytes(text):
    """Bytes of clients in an error cannot forge a second reply."""
    session = Session()
    session.slots.reply(ErrorReply(b"ERR " + text), 2)
    session.slots.reply(Status(b"OK"), 2)
    output = session.take_output()
    assert output.count(b"\n") == output.count(b"\r") == 2
    assert output.endswith(b"\r\n+OK\r\n")


steps = st.one_of(
    st.tuples(st.just("open"), st.sampled_from([2, 3])),
    st.tuples(st.just("fill"), st.integers(0, 50)),
    st.tuples(st.just("reply"), replies),
    st.tuples(st.just("append"), st.binary(max_size=300)),
    st.tuples(st.just("take"), st.sampled_from([1, 100, None])),
)


@settings(max_examples=300, deadline=None)
@given(script=st.lists(steps, max_size=40))
def test_slots_give_the_bytes_of_a_plain_list(script):
    """Any interleaving of opening, filling, replying and taking sends each reply once, in order, and nothing early."""
    session, model, opened, sent = Session(), [], [], b""
    for step, value in script:
        if step == "open":
            opened.append((session.slots.open(value), len(model), value))
            model.append(None)
        elif step == "fill" and opened:
            slot, at, proto = opened.pop(value % len(opened))
            reply = [slot, None, LazyArray(3, iter([b"a", None, b"x" * 100]))]
            null = b"_\r\n" if proto == 3 else b"$-1\r\n"
            text = b"*3\r\n:%d\r\n%b*3\r\n$1\r\na\r\n%b$100\r\n%b\r\n" % (slot, null, null, b"x" * 100)
            session.slots.fill(slot, reply)
            model[at] = text
        elif step == "reply":
            session.slots.reply(value, 3)
            alone = Session()
            alone.slots.reply(value, 3)
            model.append(alone.take_output())
        elif step == "append":
            session.slots.append_bytes(value)
            model.append(value)
        elif step == "take":
            sent += session.take_output(value)
            known = _known(model)
            assert known.startswith(sent) and (value is not None or known == sent)
    sent += session.take_output()
    assert sent == _known(model)
    assert session.slots.open_count == model.count(None)
    if None not in model:
        assert session.pending_output_bytes == 0


def _known(model: list[bytes | None]) -> bytes:
    """All bytes before the first open slot."""
    until = model.index(None) if None in model else len(model)
    return b"".join(model[:until])
