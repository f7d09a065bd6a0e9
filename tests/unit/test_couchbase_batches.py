"""Batches of reads go by the SDK's blocking get_multi in a few threads, and mean what single reads mean."""

import asyncio
import threading

import pytest
from servers.couchbase_node_documents import Document, Documents
from servers.couchbase_node_origin import eventually, running_node, started_origin, within

from policies.documents import DocumentAddress
from sidecar.origins.base import ABSENT, Cause, Failed, Found, HashSet, OriginTimeout, Read, SetValue
from sidecar.origins.couchbase_batches import SMALLEST

JSON_FLAGS = 0x02000006
SHORT_MS = 300


def address(key: bytes) -> DocumentAddress:
    """``bucket:collection:name``; layout and bucket by their names."""
    bucket, collection, _ = key.decode().split(":")
    layout = "binary" if collection == "blobs" else "json"
    return DocumentAddress("shop", collection, key, layout, bucket=bucket)


@pytest.fixture
async def node():
    async with running_node() as node:
        node.topology.add_collection("shop", "users")
        node.topology.add_collection("shop", "blobs")
        node.other_buckets["archive"] = Documents(node.documents.now_s)
        yield node


@pytest.fixture
async def origin(node):
    async with started_origin(node.url, documents=address) as origin:
        await origin.fetch_many([Read(b":users:first")], within())
        await eventually(lambda: is_open(origin))
        yield origin


def is_open(origin) -> bool:
    batches = origin._connection.batches
    if taken := batches.take(SMALLEST):
        batches._busy -= 1
    return taken


async def fetch(origin, keys, budget_ms=5000):
    return await origin.fetch_many([Read(key) for key in keys], within(budget_ms))


async def test_every_kind_of_answer_comes_in_its_place(node, origin):
    """Hashes, strings, absent ones, layouts and other buckets, all mixed."""
    hashes = [b":users:%d" % i for i in range(20)]
    await origin.write_many([HashSet(key, {b"a": key}) for key in hashes], within())
    blobs = [b":blobs:%d" % i for i in range(5)]
    await origin.write_many([SetValue(key, key) for key in blobs], within())
    node.documents.by_key[node.topology.collection_id("shop.blobs"), b":blobs:0"] = Document(b'{"a":1}', JSON_FLAGS)
    archived = [b"archive:users:%d" % i for i in range(5)]
    await origin.write_many([SetValue(key, b"old") for key in archived], within())
    absent = [b":users:none%d" % i for i in range(5)]
    keys = [*hashes, *blobs, *archived, *absent]
    expected = [
        *[Found({b"a": key}) for key in hashes],
        Found(b'{"a":1}'),
        *[Found(key) for key in blobs[1:]],
        *[Found(b"old")] * 5,
        *[ABSENT] * 5,
    ]
    assert await fetch(origin, keys) == expected
    assert [answer for key in keys for answer in await fetch(origin, [key])] == expected, "and one by one"


async def test_a_batch_is_one_call(node, origin):
    """The asynchronous API would wake the loop for each document."""
    keys = [b":users:%d" % i for i in range(100)]
    running = asyncio.ensure_future(fetch(origin, keys))
    node.hang()
    await asyncio.sleep(0.05)
    tasks = [task for task in asyncio.all_tasks() if "CouchbaseReads" in repr(task)]
    node.resume()
    assert await running == [ABSENT] * 100
    assert len(tasks) == 1


async def test_a_cluster_that_hangs_holds_few_threads_and_no_deadline_longer(node, origin):
    """More batches than threads at once: all end by their deadline, and the next ones are answered."""
    node.hang()
    before = threading.active_count()
    batches = [fetch(origin, [b":users:%d_%d" % (i, j) for j in range(10)], SHORT_MS) for i in range(12)]
    results = await asyncio.gather(*batches, return_exceptions=True)
    assert [type(result) for result in results] == [OriginTimeout] * 12
    assert threading.active_count() - before <= 4
    node.resume()
    await eventually(lambda: is_open(origin))
    assert await fetch(origin, [b":users:%d" % i for i in range(10)]) == [ABSENT] * 10


async def test_before_it_is_open_reads_go_one_by_one(node):
    """The way by single reads is always there: nobody waits for the second cluster."""
    async with started_origin(node.url, documents=address) as origin:
        assert not is_open(origin)
        assert await fetch(origin, [b":users:%d" % i for i in range(10)]) == [ABSENT] * 10


async def test_small_batches_are_single_reads(origin):
    """A trip to a thread costs more than what it saves on fewer than four documents."""
    assert not origin._connection.batches.take(SMALLEST - 1)


async def test_a_collection_that_is_not_there_fails_its_own_documents(origin):
    """The SDK asks again until the deadline, and says timeout; what it asked again for is the cause."""
    keys = [b":nowhere:%d" % i for i in range(5)] + [b":users:%d" % i for i in range(5)]
    assert await fetch(origin, keys, 1000) == [Failed(Cause.BUCKET)] * 5 + [ABSENT] * 5
    assert await fetch(origin, keys[:1], 1000) == [Failed(Cause.BUCKET)]
