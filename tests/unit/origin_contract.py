"""What every origin promises of reading and writing: one suite, run on memory, SQLite and Couchbase alike.

A module runs it by a subclass named Test… and a fixture ``subject`` (origin_subject.OriginSubject) around a fresh,
started origin.
"""

import struct

import pytest

from sidecar.origins.base import (
    ABSENT,
    Applied,
    Condition,
    Delete,
    Found,
    GetAndDelete,
    HashDelete,
    HashSet,
    Read,
    Refusal,
    Refused,
    SetValue,
)

TYPES_REFUSED = Refused(Refusal.WRONG_TYPE)
VALUES = [b"", b"1", b"1.10", b"text", b'{"a":1}', b"[1, 2]", b"null", b"true", "ü€".encode(), b"\x00\xff\xfe", b"\r\n"]


class StringContract:
    """Strings: values are bytes, and conditions are judged by the origin."""

    @pytest.mark.parametrize("value", VALUES)
    async def test_a_value_comes_back_byte_for_byte(self, subject, value):
        """Whatever a value looks like, JSON included, it is served as the bytes that were set."""
        assert await subject.result(SetValue(b"s", value)) == (True, None)
        assert await subject.read(b"s") == Found(value)

    async def test_no_document_is_absent(self, subject):
        """A key never written, and one deleted, are Absent."""
        await subject.result(SetValue(b"s", b"v"))
        assert await subject.result(Delete(b"s")) is True
        assert await subject.result(Delete(b"s")) is False
        assert await subject.fetch(Read(b"s"), Read(b"never", (b"f",))) == [ABSENT, ABSENT]

    async def test_if_absent_sets_once(self, subject):
        """NX sets only where nothing is; what did not apply says so and changes nothing."""
        assert await subject.result(SetValue(b"s", b"1", Condition.IF_ABSENT)) == (True, None)
        assert await subject.result(SetValue(b"s", b"2", Condition.IF_ABSENT)) == (False, None)
        assert await subject.read(b"s") == Found(b"1")

    async def test_if_present_never_creates(self, subject):
        """XX sets only what is there."""
        assert await subject.result(SetValue(b"s", b"1", Condition.IF_PRESENT)) == (False, None)
        assert await subject.read(b"s") == ABSENT
        await subject.result(SetValue(b"s", b"1"))
        assert await subject.result(SetValue(b"s", b"2", Condition.IF_PRESENT)) == (True, None)
        assert await subject.read(b"s") == Found(b"2")

    async def test_previous_value_is_returned_when_wanted(self, subject):
        """SET GET answers the value before, also where the condition did not hold."""
        assert await subject.result(SetValue(b"s", b"1", want_previous=True)) == (True, None)
        assert await subject.result(SetValue(b"s", b"2", want_previous=True)) == (True, b"1")
        assert await subject.result(SetValue(b"s", b"3", Condition.IF_ABSENT, want_previous=True)) == (False, b"2")
        assert await subject.read(b"s") == Found(b"2")

    async def test_set_replaces_a_hash_unless_its_value_is_wanted(self, subject):
        """SET over a hash makes a string; SET GET over a hash is refused and leaves it."""
        await subject.result(HashSet(b"h", {b"f": b"1"}))
        assert await subject.write(SetValue(b"h", b"v", want_previous=True)) == [TYPES_REFUSED]
        assert await subject.read(b"h") == Found({b"f": b"1"})
        assert await subject.result(SetValue(b"h", b"v")) == (True, None)
        assert await subject.read(b"h") == Found(b"v")

    async def test_get_and_delete(self, subject):
        """GETDEL answers the value once and refuses a hash."""
        await subject.write(SetValue(b"s", b"1"), HashSet(b"h", {b"f": b"1"}))
        assert await subject.result(GetAndDelete(b"s")) == b"1"
        assert await subject.result(GetAndDelete(b"s")) is None
        assert await subject.write(GetAndDelete(b"h")) == [TYPES_REFUSED]
        assert await subject.fetch(Read(b"s"), Read(b"h")) == [ABSENT, Found({b"f": b"1"})]


class HashContract:
    """Hashes: fields are bytes, a hash without fields is no key, and the two types do not mix."""

    @pytest.mark.parametrize("value", VALUES)
    async def test_a_field_comes_back_byte_for_byte(self, subject, value):
        """A field's value is kept as the text or bytes that were written."""
        assert await subject.result(HashSet(b"h", {b"f": value})) == 1
        assert await subject.fetch(Read(b"h"), Read(b"g")) == [Found({b"f": value}), ABSENT]
        assert await subject.read(b"h", b"f") == Found({b"f": value}, whole=False)

    @pytest.mark.parametrize("field", [b"", b"f", b"a.b[0]", "ü".encode(), b"~", b"~expire", b"$binary", b"\x00\xff"])
    async def test_any_bytes_are_a_field_name(self, subject, field):
        """Field names are bytes; those that the document format reserves are no exception."""
        assert await subject.result(HashSet(b"h", {field: b"v", b"other": b"w"})) == 2
        assert await subject.read(b"h") == Found({field: b"v", b"other": b"w"})
        assert await subject.read(b"h", field) == Found({field: b"v"}, whole=False)
        assert await subject.result(HashDelete(b"h", (field,))) == 1
        assert await subject.read(b"h") == Found({b"other": b"w"})

    async def test_feasts_binary_keys_fields_and_values(self, subject):
        """An entity key (version 3) with its NUL bytes, hashed field names, and protobuf values, whole and by field."""
        key = struct.pack("<III9sIIq", 1, 2, 9, b"driver_id", 4, 8, 1001) + b"check"
        fields = {struct.pack("<I", 0xF0A4B1C2 + n): b"\x31" + struct.pack("<d", n / 7) for n in range(20)}
        fields[b"_ts:driver_hourly"] = b"\x08\x80\xf4\xa5\xc9\x06"
        assert await subject.result(HashSet(key, fields)) == 21
        assert await subject.read(key) == Found(fields)
        some = (*tuple(fields)[3:9], b"_ts:driver_hourly")
        assert await subject.read(key, *some) == Found({field: fields[field] for field in some}, whole=False)
        assert await subject.result(HashDelete(key, some)) == 7
        assert (await subject.read(key)).value.keys() == fields.keys() - set(some)

    async def test_set_counts_the_fields_added(self, subject):
        """HSET answers how many fields are new, and changes the others."""
        assert await subject.result(HashSet(b"h", {b"a": b"1", b"b": b"2"})) == 2
        assert await subject.result(HashSet(b"h", {b"b": b"3", b"c": b"4"})) == 1
        assert await subject.read(b"h") == Found({b"a": b"1", b"b": b"3", b"c": b"4"})

    async def test_only_absent_leaves_what_is_there(self, subject):
        """HSETNX sets a new field and leaves one that is there."""
        assert await subject.result(HashSet(b"h", {b"a": b"1"}, only_absent=True)) == 1
        assert await subject.result(HashSet(b"h", {b"a": b"2"}, only_absent=True)) == 0
        assert await subject.result(HashSet(b"h", {b"b": b"2"}, only_absent=True)) == 1
        assert await subject.read(b"h") == Found({b"a": b"1", b"b": b"2"})

    async def test_fields_asked_that_are_not_there_are_left_out(self, subject):
        """A present document answers with the fields it has, be that none."""
        await subject.result(HashSet(b"h", {b"a": b"1"}))
        assert await subject.read(b"h", b"a", b"no") == Found({b"a": b"1"}, whole=False)
        assert await subject.read(b"h", b"no") == Found({}, whole=False)

    async def test_delete_counts_and_the_last_field_takes_the_key_along(self, subject):
        """HDEL answers how many fields went, one named twice once; without fields there is no key."""
        await subject.result(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
        assert await subject.result(HashDelete(b"h", (b"a", b"a", b"no"))) == 1
        assert await subject.result(HashDelete(b"h", (b"b",))) == 1
        assert await subject.result(HashDelete(b"h", (b"b",))) == 0
        assert await subject.read(b"h") == ABSENT
        assert await subject.result(Delete(b"h")) is False

    async def test_hash_writes_refuse_a_string(self, subject):
        """HSET and HDEL on a string are refused, even when the string looks like a hash, and change nothing."""
        await subject.result(SetValue(b"s", b'{"a":1}'))
        assert await subject.write(HashSet(b"s", {b"a": b"2"}), HashDelete(b"s", (b"a",))) == [TYPES_REFUSED] * 2
        assert await subject.read(b"s", b"a") == Found(b'{"a":1}')

    async def test_more_than_sixteen_fields_at_once(self, subject):
        """Wide writes, reads and deletes are whole (a sub-document call of Couchbase carries 16 paths)."""
        fields = {b"f%d" % number: b"%d" % number for number in range(100)}
        assert await subject.result(HashSet(b"h", fields)) == 100
        some = tuple(fields)[10:60]
        assert await subject.read(b"h", *some) == Found({field: fields[field] for field in some}, whole=False)
        assert await subject.result(HashDelete(b"h", some)) == 50
        assert await subject.read(b"h") == Found({field: fields[field] for field in fields if field not in some})


class BatchContract:
    """Many at once: answers keep their order, and so do writes on one key."""

    async def test_answers_come_in_the_order_asked(self, subject):
        """300 documents, absent ones among them, are answered in the order of the reads."""
        await subject.write(*[SetValue(b"k%d" % number, b"%d" % number) for number in range(0, 300, 2)])
        answers = await subject.fetch(*[Read(b"k%d" % number) for number in reversed(range(300))])
        expected = [ABSENT if number % 2 else Found(b"%d" % number) for number in range(300)]
        assert answers == expected[::-1]

    async def test_writes_on_one_key_apply_in_order(self, subject):
        """Writes of one call on one key, of different kinds, each see what those before them did."""
        answers = await subject.write(
            SetValue(b"k", b"1"),
            HashSet(b"k", {b"f": b"1"}),
            SetValue(b"k", b"2", want_previous=True),
            Delete(b"k"),
            SetValue(b"k", b"3", Condition.IF_PRESENT),
            HashSet(b"k", {b"f": b"2"}),
            HashSet(b"k", {b"f": b"3", b"g": b"3"}),
            HashDelete(b"k", (b"f",)),
        )
        assert answers == [
            Applied((True, None)),
            TYPES_REFUSED,
            Applied((True, b"1")),
            Applied(True),
            Applied((False, None)),
            Applied(1),
            Applied(1),
            Applied(1),
        ]
        assert await subject.read(b"k") == Found({b"g": b"3"})

    async def test_a_refused_write_spoils_no_other(self, subject):
        """The others of a call apply."""
        answers = await subject.write(SetValue(b"a", b"1"), SetValue(b"k" * 247, b"1"), SetValue(b"b", b"2"))
        assert answers == [Applied((True, None)), Refused(Refusal.KEY_TOO_LONG), Applied((True, None))]
        assert await subject.fetch(Read(b"a"), Read(b"b")) == [Found(b"1"), Found(b"2")]


class LimitContract:
    """What no document may exceed, told before anything is sent."""

    async def test_the_longest_key(self, subject):
        """246 bytes as stored are a key; one more is refused, and binary keys count as they are encoded."""
        assert await subject.result(SetValue(b"k" * 246, b"v")) == (True, None)
        assert await subject.read(b"k" * 246) == Found(b"v")
        assert await subject.write(SetValue(b"\xff" * 184, b"v")) == [Refused(Refusal.KEY_TOO_LONG)]
        assert await subject.write(HashSet(b"k" * 247, {b"f": b"v"})) == [Refused(Refusal.KEY_TOO_LONG)]
        assert await subject.read(b"k" * 247) == ABSENT

    async def test_the_largest_document(self, subject):
        """20 MiB are refused from the first byte more, and what was there stays."""
        await subject.result(SetValue(b"s", b"old"))
        await subject.result(HashSet(b"h", {b"f": b"old"}))
        large = bytes(20 * 1024 * 1024 + 1)
        answers = await subject.write(SetValue(b"s", large), HashSet(b"h", {b"g": large}))
        assert answers == [Refused(Refusal.DOCUMENT_TOO_LARGE)] * 2
        assert await subject.fetch(Read(b"s"), Read(b"h")) == [Found(b"old"), Found({b"f": b"old"})]


class OriginContract(StringContract, HashContract, BatchContract, LimitContract):
    """All of the above."""
