"""How keys and values stand in Couchbase: for other programs that read and write the same documents."""

import asyncio

import pytest
from servers.couchbase_node_documents import Document, Documents
from servers.couchbase_node_origin import CLOCK, eventually, running_node, started_origin, within

from policies.documents import DocumentAddress
from sidecar.origins.base import (
    ABSENT,
    Applied,
    Cause,
    Condition,
    Delete,
    Expire,
    Failed,
    Found,
    GetAndExpire,
    HashDelete,
    HashSet,
    Read,
    Refusal,
    Refused,
    SetValue,
)

JSON_FLAGS, BINARY_FLAGS, LEGACY_FLAGS = 0x02000006, 0x03000002, 0


@pytest.fixture
async def node():
    async with running_node() as node:
        yield node


@pytest.fixture
async def origin(node):
    async with started_origin(node.url) as origin:
        yield origin


def stored(node, key: bytes) -> Document:
    return node.documents.by_key[0, key]


async def write(origin, *writes):
    return await origin.write_many(writes, within())


async def read(origin, key: bytes, fields=None):
    (answer,) = await origin.fetch_many([Read(key, fields)], within())
    return answer


async def test_a_hash_is_a_json_document_and_a_string_a_binary_one(node, origin):
    """Flags and datatype are what every SDK understands."""
    await write(origin, HashSet(b"h", {b"name": b"x"}), SetValue(b"s", b'{"a":1}'))
    hash_, string = stored(node, b"h"), stored(node, b"s")
    assert (hash_.value, hash_.flags) == (b'{"name":"x"}', JSON_FLAGS)
    assert (string.value, string.flags) == (b'{"a":1}', BINARY_FLAGS)
    assert await read(origin, b"s") == Found(b'{"a":1}')


@pytest.mark.parametrize("flags", [JSON_FLAGS, LEGACY_FLAGS, 0x02000000])
async def test_json_of_other_programs_is_served_as_a_hash_with_exact_text(node, origin, flags):
    """Numbers keep their text, also in members that a later write does not name."""
    node.documents.store(0, b"h", Document(b'{"price": 1.10, "big": 12345678901234567890, "t": true}', flags))
    assert await read(origin, b"h") == Found({b"price": b"1.10", b"big": b"12345678901234567890", b"t": b"true"})
    assert await write(origin, HashSet(b"h", {b"t": b"no"})) == [Applied(0)]
    assert stored(node, b"h").value == b'{"price":1.10,"big":12345678901234567890,"t":"no"}'


@pytest.mark.parametrize(("body", "flags"), [(b"[1,2]", JSON_FLAGS), (b'{"a":1}', BINARY_FLAGS), (b"x", LEGACY_FLAGS)])
async def test_anything_else_is_a_string(node, origin, body, flags):
    """Arrays, and JSON under bytes' flags, are no hashes: HSET on them is a wrong type and changes nothing."""
    node.documents.store(0, b"s", Document(body, flags))
    assert await read(origin, b"s") == Found(body)
    assert await write(origin, HashSet(b"s", {b"a": b"1"})) == [Refused(Refusal.WRONG_TYPE)]
    assert stored(node, b"s").value == body


async def test_numeric_dtypes_are_stored_as_numbers(node):
    """Only what is a JSON number, as that exact text."""
    async with started_origin(node.url, dtype_of=lambda key, field: "float64" if field == b"n" else None) as origin:
        await write(origin, HashSet(b"h", {b"n": b"1.50", b"t": b"1.50"}))
    assert stored(node, b"h").value == b'{"n":1.50,"t":"1.50"}'


async def test_binary_keys_are_spelled_as_text(node, origin):
    """A document id is UTF-8: other keys are ``~`` and base64url."""
    await write(origin, SetValue(b"\xff\x00", b"1"))
    assert (0, b"~_wA") in node.documents.by_key
    assert await read(origin, b"\xff\x00") == Found(b"1")


async def test_what_couchbase_would_refuse_is_not_sent(node, origin):
    """Keys and documents over the limits get a clear refusal without a request."""
    assert await read(origin, b"k") == ABSENT
    before = node.asked()
    answers = await write(origin, SetValue(b"k" * 247, b"1"), SetValue(b"k", bytes(20 * 1024 * 1024 + 1)))
    assert answers == [Refused(Refusal.KEY_TOO_LONG), Refused(Refusal.DOCUMENT_TOO_LARGE)]
    assert await write(origin, Delete(b"k" * 247)) == [Refused(Refusal.KEY_TOO_LONG)]
    assert await read(origin, b"k" * 247) == ABSENT
    assert await write(origin, SetValue(b"k" * 246, b"1")) == [Applied((True, None))]
    assert node.asked() - before == {"UPSERT": 1}


async def test_concurrent_writers_of_one_document_lose_nothing(node, origin):
    """Forty writers on two origins, each with a field of its own: CAS conflicts are read again until all are in."""
    async with started_origin(node.url) as second:
        fields = [b"f%d" % number for number in range(40)]
        calls = [write((origin, second)[at % 2], HashSet(b"h", {field: b"1"})) for at, field in enumerate(fields)]
        answers = await asyncio.gather(*calls)
    assert answers == [[Applied(1)]] * 40
    assert await read(origin, b"h") == Found(dict.fromkeys(fields, b"1"))
    assert node.requests["REPLACE"] > 39  # there were conflicts


async def test_a_document_that_goes_in_between_is_made_anew(node, origin):
    """A read-modify-write whose document was removed, or made, by someone else starts over."""
    await write(origin, HashSet(b"h", {b"a": b"1"}))
    node.hang(apply=True)
    pending = asyncio.ensure_future(write(origin, HashSet(b"h", {b"b": b"2"})))
    await eventually(lambda: node.requests["LOOKUP_IN"] == 2)
    del node.documents.by_key[0, b"h"]
    node.resume()
    assert await pending == [Applied(1)]
    assert await read(origin, b"h") == Found({b"b": b"2"})


async def test_a_hash_keeps_its_expiry_and_a_new_string_has_none(node, origin):
    """HSET, HDEL and SET KEEPTTL keep the document's expiry; SET and GETEX PERSIST clear it, in whole seconds."""
    expiry_ms = CLOCK.wall_ms() + 100_500
    await write(origin, HashSet(b"h", {b"a": b"1", b"b": b"2"}), Expire(b"h", expiry_ms))
    kept = stored(node, b"h").expiry
    assert expiry_ms <= kept * 1000 <= expiry_ms + 2000
    await write(origin, HashSet(b"h", {b"a": b"3"}), HashDelete(b"h", (b"b",)))
    assert stored(node, b"h").expiry == kept
    await write(origin, SetValue(b"s", b"1", expiry_ms=expiry_ms), SetValue(b"s", b"2", keep_expiry=True))
    assert (stored(node, b"s").value, stored(node, b"s").expiry > 0) == (b"2", True)
    assert await write(origin, GetAndExpire(b"s", None)) == [Applied(b"2")]
    assert stored(node, b"s").expiry == 0
    await write(origin, Expire(b"s", expiry_ms), SetValue(b"s", b"3"))
    assert stored(node, b"s").expiry == 0


async def test_an_expiry_is_rounded_up_to_a_whole_second(node, origin):
    """Couchbase knows no smaller unit: a document may live up to a second longer than asked, never shorter."""
    for asked_ms in range(CLOCK.wall_ms() + 60_000, CLOCK.wall_ms() + 61_000, 50):
        await write(origin, SetValue(b"s", b"1", expiry_ms=asked_ms))
        assert 0 <= stored(node, b"s").expiry * 1000 - asked_ms < 2000


async def test_an_expired_document_is_absent(node, origin):
    """The server forgets it; so do we."""
    await write(origin, SetValue(b"s", b"1", expiry_ms=CLOCK.wall_ms() + 5000))
    node.skew_s += 10
    assert await read(origin, b"s") == ABSENT
    assert (await origin.expiries(b"s", (), within())).document == -2


async def test_views_have_their_documents_where_the_policy_says(node):
    """Scope, collection, document id, durability and reading the expiry all come from the mapping."""
    node.topology.add_collection("features", "user_profile")

    def address(key: bytes) -> DocumentAddress:
        return DocumentAddress("features", "user_profile", key.removeprefix(b"user:"), "json", "majority", True)

    async with started_origin(node.url, documents=address) as origin:
        expiry_ms = CLOCK.wall_ms() + 60_000
        await write(origin, HashSet(b"user:42", {b"a": b"1"}), Expire(b"user:42", expiry_ms))
        found = await read(origin, b"user:42")
    assert [key for _, key in node.documents.by_key] == [b"42"]
    assert node.requests["durable"] == 1  # the insert; a touch has no durability
    assert found.value == {b"a": b"1"}
    assert expiry_ms <= found.expiry_ms <= expiry_ms + 2000


async def test_set_if_absent_asks_first_by_inserting(node, origin):
    """One request where the key is free; over a hash without a live field it takes a look and replaces it."""
    assert await write(origin, SetValue(b"s", b"1", Condition.IF_ABSENT)) == [Applied((True, None))]
    assert node.requests["UPSERT"] == node.requests["GET"] == 0
    assert await write(origin, SetValue(b"s", b"2", Condition.IF_ABSENT)) == [Applied((False, None))]
    node.documents.store(0, b"dead", Document(b'{"a":null}', JSON_FLAGS))
    assert await write(origin, SetValue(b"dead", b"3", Condition.IF_ABSENT)) == [Applied((True, None))]
    assert stored(node, b"dead").value == b"3"


async def test_a_view_in_another_bucket_opens_it_when_it_is_asked(node):
    """Reads and writes go there; one that cannot be opened fails for its keys only, and is tried again."""
    node.other_buckets["archive"] = Documents(node.documents.now_s)

    def address(key: bytes) -> DocumentAddress:
        bucket = key.partition(b":")[0].decode() if b":" in key else ""
        return DocumentAddress("_default", "_default", key, bucket=bucket)

    async with started_origin(node.url, documents=address) as origin:
        answers = await write(origin, SetValue(b"k", b"1"), SetValue(b"archive:k", b"2"))
        assert answers == [Applied((True, None))] * 2
        assert node.other_buckets["archive"].by_key[0, b"archive:k"].value == b"2"
        reads = [Read(b"k"), Read(b"archive:k"), Read(b"nowhere:k")]
        assert await origin.fetch_many(reads, within()) == [Found(b"1"), Found(b"2"), Failed(Cause.BUCKET)]
        assert await write(origin, SetValue(b"nowhere:k", b"3")) == [Refused(Refusal.NOT_SENT, Cause.BUCKET)]
        node.other_buckets["nowhere"] = Documents(node.documents.now_s)
        assert await write(origin, SetValue(b"nowhere:k", b"3")) == [Applied((True, None))]
