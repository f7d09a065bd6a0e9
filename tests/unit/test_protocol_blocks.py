"""Storage of replies: given back when nothing waits."""

from protocol import LazyArray, Session
from protocol._blocks import blocks_in_use


def test_a_session_without_output_holds_no_block():
    """Idle connections cost nothing here, after small and large replies, partial sends and aborts alike."""
    before = blocks_in_use()
    sessions = [Session(number) for number in range(100)]
    for session in sessions:
        session.slots.reply(b"small", 2)
        session.slots.reply([b"x" * 100_000] * 3, 2)
    assert blocks_in_use() == before + 100
    for session in sessions[:50]:
        while session.take_output(64 * 1024):
            pass
    assert blocks_in_use() == before + 50
    for session in sessions[50:75]:
        session.slots.clear()
    assert blocks_in_use() == before + 25
    del session, sessions
    assert blocks_in_use() == before


def test_replies_behind_open_slots_give_their_storage_back():
    """The bytes that wait behind a miss are stored tightly while few, and freed when they leave or the client does."""
    before = blocks_in_use()
    session = Session()
    slot = session.slots.open(2)
    session.slots.append_bytes(b"x" * 1000)
    assert blocks_in_use() == before
    session.slots.append_bytes(b"x" * 50_000)
    assert blocks_in_use() == before + 1
    session.slots.fill(slot, LazyArray(2, iter([b"a", b"b"])))
    assert session.take_output().endswith(b"x" * 51_000)
    assert blocks_in_use() == before
    session.slots.open(2)
    session.slots.append_bytes(b"x" * 50_000)
    del session
    assert blocks_in_use() == before
