"""What the Couchbase origin answers when the server hangs or the connection breaks under it."""

import asyncio
import gc
import time

import pytest
from couchbase.exceptions import CouchbaseException, TemporaryFailException
from servers.couchbase_node_origin import eventually, running_node, started_origin, within

from policies.documents import DocumentAddress
from sidecar.origins.base import (
    ABSENT,
    UNKNOWN,
    Applied,
    Cause,
    Failed,
    Found,
    HashSet,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.origins.couchbase_errors import answer_of

SHORT_MS = 150


@pytest.fixture
async def node():
    async with running_node() as node:
        yield node


@pytest.fixture
async def origin(node):
    """An origin that is connected, with one string ``k``."""
    async with started_origin(node.url) as origin:
        assert await origin.write_many([SetValue(b"k", b"old")], within()) == [Applied((True, None))]
        yield origin


@pytest.fixture
async def loop_errors():
    """Whatever reaches the loop's exception handler: late results that nobody can take show up there."""
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    return errors


def under_way() -> list[str]:
    """Calls into the SDK that have not ended."""
    calls = ("CouchbaseReads._read_alone()", "._write_in_order()")
    return [repr(task) for task in asyncio.all_tasks() if any(call in repr(task) for call in calls)]


async def test_a_hanging_server_ends_reads_by_their_deadline(node, origin):
    """Neither much earlier nor later than asked."""
    node.hang()
    began = time.monotonic()
    with pytest.raises(OriginTimeout):
        await origin.fetch_many([Read(b"k")], within(SHORT_MS))
    with pytest.raises(OriginTimeout):
        await origin.expiries(b"k", (), within(SHORT_MS))
    assert 2 * SHORT_MS * 0.8 < (time.monotonic() - began) * 1000 < 2 * SHORT_MS + 500
    node.resume()
    assert await origin.fetch_many([Read(b"k")], within()) == [Found(b"old")]


@pytest.mark.parametrize("apply", [True, False])
async def test_a_write_that_hangs_is_unknown_whether_or_not_it_took_effect(node, origin, apply):
    """The server had it; that it was never told is no reason to say it was not applied."""
    node.hang(apply=apply)
    assert await origin.write_many([SetValue(b"k", b"new")], within(SHORT_MS)) == [UNKNOWN]
    assert node.documents.by_key[0, b"k"].value == (b"new" if apply else b"old")


async def test_a_write_that_the_sdk_waits_longer_for_is_unknown(node):
    """The SDK gives durable writes 1.5 s at least: our deadline passes first, and then nobody can tell."""

    def address(key: bytes) -> DocumentAddress:
        return DocumentAddress("_default", "_default", key, durability="majority")

    async with started_origin(node.url, documents=address) as origin:
        await origin.fetch_many([Read(b"k")], within())
        node.hang()
        began = time.monotonic()
        assert await origin.write_many([SetValue(b"k", b"new")], within(SHORT_MS)) == [UNKNOWN]
        assert time.monotonic() - began < 1


async def test_writes_behind_a_hanging_one_were_not_sent(node, origin):
    """A read-modify-write that could not read applied nothing, and neither did what waited behind it."""
    node.hang()
    writes = [HashSet(b"h", {b"f": b"1"}), HashSet(b"h", {b"g": b"2"}), SetValue(b"k", b"new")]
    first, second, other = await origin.write_many(writes, within(SHORT_MS))
    not_sent = Refused(Refusal.NOT_SENT, Cause.TIMEOUT)
    assert (first, second, other) == (not_sent, not_sent, UNKNOWN)


async def test_late_answers_disturb_nobody(node, origin, loop_errors):
    """Calls that were given up are answered later: nothing raises in the loop, and nothing mixes up."""
    node.hang(apply=True)
    waiter = asyncio.ensure_future(origin.fetch_many([Read(b"k")], within()))
    writer = asyncio.ensure_future(origin.write_many([SetValue(b"k", b"new")], within()))
    await eventually(lambda: node.requests["UPSERT"] == 2 and node.requests["GET"] == 1)
    waiter.cancel()
    writer.cancel()
    with pytest.raises(OriginTimeout):
        await origin.fetch_many([Read(b"k")], within(SHORT_MS))
    node.resume()
    assert await origin.fetch_many([Read(b"k"), Read(b"x")], within()) == [Found(b"new"), ABSENT]
    await origin.close()
    assert loop_errors == []


async def test_closing_waits_for_calls_under_way_and_they_end_at_once(node, origin, loop_errors):
    """After close no call is left that could set a result on a loop that is gone."""
    node.hang()
    read = asyncio.ensure_future(origin.fetch_many([Read(b"k")], within()))
    write = asyncio.ensure_future(origin.write_many([SetValue(b"k", b"new")], within()))
    await eventually(lambda: len(under_way()) == 2)
    began = time.monotonic()
    await origin.close()
    assert under_way() == []
    assert time.monotonic() - began < 1
    assert await write == [UNKNOWN]
    with pytest.raises(OriginUnavailable) as caught:
        await read
    assert caught.value.cause is Cause.CLOSED
    assert loop_errors == []


async def test_closing_between_asking_and_sending_sends_nothing(node, origin, loop_errors):
    """Calls that were made ready and not begun find the origin closed, also when nobody waits for them."""
    read = asyncio.ensure_future(origin.fetch_many([Read(b"k")], within()))
    write = asyncio.ensure_future(origin.write_many([SetValue(b"k", b"new")], within()))
    abandoned = asyncio.ensure_future(origin.fetch_many([Read(b"k")], within()))
    await asyncio.sleep(0)
    abandoned.cancel()
    await origin.close()
    assert await write == [Refused(Refusal.NOT_SENT, Cause.CLOSED)]
    with pytest.raises(OriginUnavailable):
        await read
    del abandoned  # its traceback holds the calls
    gc.collect()
    assert loop_errors == []


async def test_a_cut_connection_loses_no_read_and_makes_writes_unknown(node, origin):
    """Reads are sent again on a new connection. A write that was under way is not: it may have been applied."""
    node.hang(apply=True)
    read = asyncio.ensure_future(origin.fetch_many([Read(b"k")], within()))
    expiries = asyncio.ensure_future(origin.expiries(b"k", (), within()))
    write = asyncio.ensure_future(origin.write_many([SetValue(b"k", b"new")], within()))
    await eventually(lambda: node.requests["GET"] == 1 and node.requests["UPSERT"] == 2 and node.requests["LOOKUP_IN"])
    node.hanging = False
    node.cut()
    assert await write == [UNKNOWN]
    assert (await read)[0] in (Found(b"new"), Found(b"old"))
    assert (await expiries).document == -1
    assert node.requests["UPSERT"] == 2  # not sent again


async def test_a_stopped_server_is_told_and_found_again(node, origin):
    """Reads time out, then say why; writes were certainly not sent; when it is back, so are we."""
    await node.stop()

    async def cause() -> Cause:
        with pytest.raises((OriginTimeout, OriginUnavailable)) as caught:
            await origin.fetch_many([Read(b"k")], within(SHORT_MS))
        return caught.value.cause

    async with asyncio.timeout(10):
        while await cause() is not Cause.CONNECTION_REFUSED:
            pass
    writes = [SetValue(b"k", b"new"), HashSet(b"h", {b"f": b"1"})]
    assert (
        await origin.write_many(writes, within(SHORT_MS)) == [Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)] * 2
    )
    await node.start()
    assert await origin.fetch_many([Read(b"k")], within()) == [Found(b"old")]
    node.hang()
    assert await cause() is Cause.TIMEOUT  # what was once suspected is not told of the next trouble


async def test_one_failing_document_does_not_fail_the_others(node):
    """A view whose collection is missing fails alone, with a cause."""

    def address(key: bytes) -> DocumentAddress:
        return DocumentAddress("gone" if key == b"a" else "_default", "_default", key)

    async with started_origin(node.url, documents=address) as origin:
        assert await origin.fetch_many([Read(b"a"), Read(b"b")], within()) == [Failed(Cause.BUCKET), ABSENT]
        assert await origin.fetch_many([Read(b"a")], within()) == [Failed(Cause.BUCKET)]  # the cluster did answer
        with pytest.raises(OriginUnavailable) as caught:
            await origin.expiries(b"a", (), within())
        assert caught.value.cause is Cause.BUCKET
        answers = await origin.write_many([SetValue(b"a", b"1"), SetValue(b"b", b"1")], within())
        assert answers == [Refused(Refusal.NOT_SENT, Cause.BUCKET), Applied((True, None))]


async def test_a_passed_deadline_sends_nothing(node, origin):
    """Neither a read nor a write goes out when its time is over before it began."""
    before = node.asked()
    with pytest.raises(OriginTimeout):
        await origin.fetch_many([Read(b"k")], within(0))
    assert await origin.write_many([SetValue(b"k", b"new")], within(0)) == [Refused(Refusal.NOT_SENT, Cause.TIMEOUT)]
    assert node.asked() == before


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (2, UNKNOWN),
        (5, UNKNOWN),
        (13, UNKNOWN),
        (109, UNKNOWN),
        (0, UNKNOWN),
        (99_999, UNKNOWN),
        (14, Refused(Refusal.NOT_SENT, Cause.TIMEOUT)),
        (7, Refused(Refusal.NOT_SENT, Cause.BUSY)),
        (103, Refused(Refusal.LOCKED)),
        (104, Refused(Refusal.DOCUMENT_TOO_LARGE)),
    ],
)
def test_only_what_was_certainly_not_applied_is_refused(code, answer):
    """Judged by the code: the SDK raises TemporaryFail for an ambiguous timeout that came after a retry."""
    assert answer_of(CouchbaseException(error_code=code)) == answer
    assert answer_of(TemporaryFailException(error_code=code)) == answer
