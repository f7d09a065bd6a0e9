"""Some members of a Couchbase document, by sub-document operations: one request to read, two to write."""

import asyncio
import json

import pytest
from servers.couchbase_node_documents import Document
from servers.couchbase_node_origin import CLOCK, eventually, running_node, started_origin, within

from policies.documents import DocumentAddress
from sidecar.origins.base import (
    ABSENT,
    Applied,
    Expire,
    FieldExpire,
    Found,
    HashDelete,
    HashSet,
    Read,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.origins.couchbase_members import MAX_FIELDS, path_of
from sidecar.origins.couchbase_sizes import DocumentSizes

JSON_FLAGS, BINARY_FLAGS, LEGACY_FLAGS = 0x02000006, 0x03000002, 0
HOUR_MS = 3_600_000


@pytest.fixture
async def node():
    async with running_node() as node:
        node.topology.add_collection("features", "blobs")
        yield node


@pytest.fixture
async def origin(node):
    def address(key: bytes) -> DocumentAddress:
        if key.startswith(b"blob:"):
            return DocumentAddress("features", "blobs", key, layout="binary")
        return DocumentAddress("_default", "_default", key)

    async with started_origin(node.url, documents=address) as origin:
        yield origin


async def write(origin, *writes):
    return await origin.write_many(list(writes), within())


async def read(origin, key, *fields):
    (answer,) = await origin.fetch_many([Read(key, fields or None)], within())
    return answer


def stored(node, key: bytes) -> dict:
    return json.loads(node.documents.by_key[0, key].value)


def sent(node) -> dict[str, int]:
    """Requests about documents since the last call."""
    wanted = ("GET", "LOOKUP_IN", "MUTATE_IN", "REPLACE", "INSERT", "REMOVE", "UPSERT")
    counts = {name: node.requests[name] for name in wanted if node.requests[name]}
    node.requests.clear()
    return counts


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("ctr_7d", "ctr_7d"),
        ("a.b", "`a.b`"),
        ("a[0]", "`a[0]`"),
        ("tick`s", "`tick``s`"),
        ("~AP8", "~AP8"),
        ("with space", "with space"),
        ("", None),
        ('quo"te', None),
        ("back\\slash", None),
        ("a/b", None),  # PHP writes it as a\/b
        ("a<b", None),  # Go writes it as a\u003cb
        ("größe", None),  # may stand as gr\u00f6\u00dfe
        ("x" * 300, None),
    ],
)
def test_names_become_paths_or_ask_for_the_whole_document(name, path):
    """Dots, brackets and backticks are quoted; a name that JSON may spell in two ways has no path."""
    assert path_of(name) == path


async def test_hset_is_one_lookup_and_one_mutation(node, origin):
    """Up to 14 fields; the members beside them keep their very text, and the counts are exact."""
    node.documents.by_key[0, b"h"] = Document(b'{"a":1.10,"n":null,"x.y":"1","z":  2}', JSON_FLAGS)
    sent(node)
    fields = {b"f%d" % i: b"v" for i in range(MAX_FIELDS - 3)} | {b"a": b"2.50", b"n": b"now", b"x.y": b"2"}
    assert await write(origin, HashSet(b"h", fields)) == [Applied(MAX_FIELDS - 3 + 1)]
    assert sent(node) == {"LOOKUP_IN": 1, "MUTATE_IN": 1}
    assert b'"a":2.50' in node.documents.by_key[0, b"h"].value, "it was a number and is one"
    assert await read(origin, b"h") == Found(fields | {b"z": b"2"})


async def test_more_fields_replace_the_document(node, origin):
    """15 fields and more are a read and a replace under its CAS."""
    await write(origin, HashSet(b"h", {b"a": b"1"}))
    sent(node)
    assert await write(origin, HashSet(b"h", {b"f%d" % i: b"v" for i in range(MAX_FIELDS + 1)})) == [Applied(15)]
    assert sent(node) == {"GET": 1, "REPLACE": 1}


async def test_a_field_that_has_its_value_already_is_not_written_again(node, origin):
    """Nothing to change is nothing to send."""
    await write(origin, HashSet(b"h", {b"a": b"1"}))
    sent(node)
    assert await write(origin, HashSet(b"h", {b"a": b"1"})) == [Applied(0)]
    assert await write(origin, HashSet(b"h", {b"a": b"2"}, only_absent=True)) == [Applied(0)]
    assert sent(node) == {"LOOKUP_IN": 2}


async def test_no_concurrent_field_is_lost(node, origin):
    """Many writers of one document, some by members and some by the whole: each field arrives, each count is right."""
    await write(origin, HashSet(b"h", {b"a": b"1"}))
    writers = [HashSet(b"h", {b"w%d:%d" % (i, j): b"v" for j in range(1 + i % 20)}) for i in range(40)]
    answers = await asyncio.gather(*[write(origin, writer) for writer in writers])
    assert [answer for (answer,) in answers] == [Applied(1 + i % 20) for i in range(40)]
    assert len(stored(node, b"h")) == 1 + sum(1 + i % 20 for i in range(40))


async def test_the_documents_expiry_is_kept(node, origin):
    """HSET of a present field and of a new one beside it leaves the document's own life alone."""
    expiry_ms = CLOCK.wall_ms() + HOUR_MS
    await write(origin, HashSet(b"h", {b"a": b"1", b"b": b"1"}), Expire(b"h", expiry_ms))
    kept = node.documents.by_key[0, b"h"].expiry
    sent(node)
    assert await write(origin, HashSet(b"h", {b"a": b"2", b"new": b"1"})) == [Applied(1)]
    assert sent(node) == {"LOOKUP_IN": 1, "MUTATE_IN": 1}
    assert node.documents.by_key[0, b"h"].expiry == kept > 0


async def test_field_deadlines_of_other_members_stay(node, origin):
    """HEXPIRE and HSET touch the entries of their own fields in ~expire, and nothing else of it."""
    soon, later = CLOCK.wall_ms() + HOUR_MS, CLOCK.wall_ms() + 2 * HOUR_MS
    await write(origin, HashSet(b"h", {b"a": b"1", b"b": b"1", b"c": b"1"}))
    sent(node)
    assert await write(origin, FieldExpire(b"h", (b"a", b"nope"), soon)) == [Applied([1, -2])]
    assert await write(origin, FieldExpire(b"h", (b"b",), later)) == [Applied([1])]
    assert stored(node, b"h")["~expire"] == {"a": soon, "b": later}
    assert await write(origin, HashSet(b"h", {b"a": b"2"})) == [Applied(0)]
    assert stored(node, b"h")["~expire"] == {"b": later}
    assert await write(origin, HashSet(b"h", {b"b": b"2"})) == [Applied(0)]
    assert "~expire" not in stored(node, b"h")
    assert sent(node) == {"LOOKUP_IN": 4, "MUTATE_IN": 4}


async def test_what_has_expired_is_removed_by_the_next_write(node, origin):
    """Fields that another member's write finds dead are taken out, which takes the whole document."""
    past = CLOCK.wall_ms() - 1000
    node.documents.by_key[0, b"h"] = Document(b'{"a":"1","b":"1","~expire":{"b":%d}}' % past, JSON_FLAGS)
    assert await write(origin, HashSet(b"h", {b"a": b"2"})) == [Applied(0)]
    assert stored(node, b"h") == {"a": "2"}


async def test_a_hash_without_a_live_field_is_made_anew(node, origin):
    """Its expiry died with its fields."""
    expiry = CLOCK.wall_ms() // 1000 + 3600
    node.documents.by_key[0, b"h"] = Document(b'{"a":null}', JSON_FLAGS, expiry)
    assert await write(origin, HashSet(b"h", {b"b": b"1"})) == [Applied(1)]
    assert node.documents.by_key[0, b"h"].expiry == 0


async def test_the_last_field_takes_the_document_along(node, origin):
    """HDEL of all fields removes the document."""
    await write(origin, HashSet(b"h", {b"a": b"1", b"b": b"1"}))
    assert await write(origin, HashDelete(b"h", (b"a", b"b"))) == [Applied(2)]
    assert (0, b"h") not in node.documents.by_key


@pytest.mark.parametrize("document", [Document(b"text", BINARY_FLAGS), Document(b"[1]", JSON_FLAGS), Document(b"7", 0)])
async def test_what_is_no_object_is_a_string(node, origin, document):
    """HSET is WRONGTYPE, and a read of fields answers the string."""
    node.documents.by_key[0, b"s"] = document
    assert await write(origin, HashSet(b"s", {b"a": b"1"})) == [Refused(Refusal.WRONG_TYPE)]
    assert await read(origin, b"s", b"a") == Found(document.value)


async def test_a_write_that_finds_the_document_changed_starts_over(node, origin):
    """Someone else wrote between lookup and mutation: looked up again, and nothing of theirs is lost."""
    await write(origin, HashSet(b"h", {b"a": b"1"}))
    node.hang(apply=True)  # the lookup is answered later, with what it saw now
    looked_up = node.requests["LOOKUP_IN"]
    pending = asyncio.ensure_future(write(origin, HashSet(b"h", {b"a": b"2"})))
    await eventually(lambda: node.requests["LOOKUP_IN"] > looked_up)
    node.documents.store(0, b"h", Document(b'{"a":"9","theirs":"1"}', JSON_FLAGS))
    node.resume()
    assert await pending == [Applied(0)]
    assert stored(node, b"h") == {"a": "2", "theirs": "1"}


async def test_large_documents_are_read_by_members_and_small_ones_whole(node, origin):
    """Once a collection's documents are known to be large, a few fields are looked up and many still read it all."""
    fields = {b"f%04d" % i: b"x" * 100 for i in range(1000)}
    await write(origin, HashSet(b"big", fields))
    assert origin.prefers_whole(b"big", (b"f0001",)), "nothing was read yet"
    await read(origin, b"big")
    assert not origin.prefers_whole(b"big", (b"f0001", b"f0002"))
    assert origin.prefers_whole(b"big", tuple(fields)[: MAX_FIELDS + 1])
    assert origin.prefers_whole(b"big", ("größe".encode(),))
    sent(node)
    assert await read(origin, b"big", b"f0001", b"none") == Found({b"f0001": b"x" * 100}, False)
    assert sent(node) == {"LOOKUP_IN": 1}


async def test_fields_that_are_all_absent_tell_of_the_document_too(node, origin):
    """A key whose hash is there has no such fields; a key with only nulls, or none, is absent."""
    await write(origin, HashSet(b"h", {b"a": b"1"}))
    node.documents.by_key[0, b"nulls"] = Document(b'{"a":null}', JSON_FLAGS)
    assert await read(origin, b"h", b"x", b"y") == Found({}, False)
    assert await read(origin, b"nulls", b"a") == ABSENT
    assert await read(origin, b"none", b"a") == ABSENT


async def test_documents_of_layout_binary_are_strings(node, origin):
    """Whatever their flags and bodies say; they never become hashes."""
    collection = node.topology.collection_id("features.blobs")
    node.documents.by_key[collection, b"blob:1"] = Document(b'{"a":1}', JSON_FLAGS)
    assert await read(origin, b"blob:1") == Found(b'{"a":1}')
    assert await read(origin, b"blob:1", b"a") == Found(b'{"a":1}')
    assert (
        await write(
            origin, HashSet(b"blob:1", {b"a": b"1"}), HashSet(b"blob:new", {b"a": b"1"}), HashDelete(b"blob:1", (b"a",))
        )
        == [Refused(Refusal.WRONG_TYPE)] * 3
    )
    assert await write(origin, SetValue(b"blob:1", b"\x00\xff")) == [Applied((True, None))]
    assert node.documents.by_key[collection, b"blob:1"].flags == BINARY_FLAGS


def test_sizes_are_means_of_the_last_documents():
    """By collection, bounded in number; members win only where the document costs about twice as much."""
    sizes = DocumentSizes()
    address = DocumentAddress("s", "c", b"k")
    assert not sizes.prefers_members(address, 1)
    for _ in range(50):
        sizes.seen(address, 8000)
    assert sizes.prefers_members(address, 2)
    assert not sizes.prefers_members(address, 8)
    for _ in range(100):
        sizes.seen(address, 500)
    assert not sizes.prefers_members(address, 1)
