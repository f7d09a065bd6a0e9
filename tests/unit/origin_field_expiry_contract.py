"""What origins with field deadlines (HEXPIRE) promise: run like origin_contract."""

import pytest

from sidecar.origins.base import (
    ABSENT,
    Applied,
    Condition,
    Delete,
    Expire,
    Expiries,
    FieldExpire,
    Found,
    HashDelete,
    HashSet,
    Read,
    Refusal,
    Refused,
    SetValue,
)

HOUR_MS = 3_600_000


class FieldExpiryContract:
    """A field's deadline lives beside the field, and goes with it."""

    async def test_a_field_dies_alone(self, subject):
        """From its deadline on a field is absent for every command; the others live."""
        at = subject.in_ms(1000)
        await subject.write(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
        assert await subject.result(FieldExpire(b"h", (b"a", b"no"), at)) == [1, -2]
        assert await subject.read(b"h") == Found({b"a": b"1", b"b": b"2"}, expiry_ms=at)
        assert await subject.read(b"h", b"b") == Found({b"b": b"2"}, whole=False)
        assert await subject.expiries(b"h", b"a", b"b") == Expiries(-1, (at, -1), is_hash=True)
        await subject.pass_time(1)
        assert await subject.read(b"h") == Found({b"b": b"2"})
        assert await subject.read(b"h", b"a") == Found({}, whole=False)
        assert await subject.expiries(b"h", b"a") == Expiries(-1, (-2,), is_hash=True)
        assert await subject.result(HashDelete(b"h", (b"a",))) == 0
        assert await subject.result(HashSet(b"h", {b"a": b"3"})) == 1

    async def test_the_last_field_takes_the_key_along(self, subject):
        """When all fields have died the key is absent."""
        await subject.write(HashSet(b"h", {b"a": b"1"}), Expire(b"h", subject.in_ms(HOUR_MS)))
        await subject.result(FieldExpire(b"h", (b"a",), subject.in_ms(1000)))
        await subject.pass_time(1)
        assert await subject.fetch(Read(b"h"), Read(b"h", (b"a",))) == [ABSENT, ABSENT]
        assert await subject.expiries(b"h", b"a") == Expiries(-2, (-2,))
        assert await subject.result(Delete(b"h")) is False
        assert await subject.result(SetValue(b"h", b"v", Condition.IF_PRESENT)) == (False, None)

    async def test_a_dead_hash_leaves_its_successor_no_expiry(self, subject):
        """The document's own expiry goes with its last field, without anyone having looked in between."""
        await subject.write(HashSet(b"h", {b"a": b"1"}), Expire(b"h", subject.in_ms(HOUR_MS)))
        await subject.result(FieldExpire(b"h", (b"a",), subject.in_ms(1000)))
        await subject.pass_time(1)
        assert await subject.result(HashSet(b"h", {b"b": b"1"})) == 1
        assert await subject.expiries(b"h") == Expiries(-1, is_hash=True)

    async def test_setting_a_field_clears_its_deadline_only(self, subject):
        """HSET makes a field live on; its neighbour still dies."""
        at = subject.in_ms(1000)
        await subject.write(HashSet(b"h", {b"a": b"1", b"b": b"1"}), FieldExpire(b"h", (b"a", b"b"), at))
        await subject.result(HashSet(b"h", {b"a": b"2"}))
        await subject.pass_time(2)
        assert await subject.read(b"h") == Found({b"a": b"2"})

    async def test_a_deadline_in_the_past_deletes(self, subject):
        """Code 2, and the field is gone; with the last one the key."""
        past = subject.in_ms(-1)
        await subject.result(HashSet(b"h", {b"a": b"1", b"b": b"1"}))
        assert await subject.result(FieldExpire(b"h", (b"a", b"a"), past)) == [2, -2]
        assert await subject.read(b"h") == Found({b"b": b"1"})
        assert await subject.result(FieldExpire(b"h", (b"b",), past)) == [2]
        assert await subject.read(b"h") == ABSENT

    async def test_persist(self, subject):
        """HPERSIST: 1 cleared, -1 had none, -2 no such field."""
        at = subject.in_ms(1000)
        await subject.write(HashSet(b"h", {b"a": b"1", b"b": b"1"}), FieldExpire(b"h", (b"a",), at))
        assert await subject.result(FieldExpire(b"h", (b"a", b"b", b"no"), None)) == [1, -1, -2]
        await subject.pass_time(2)
        assert await subject.read(b"h") == Found({b"a": b"1", b"b": b"1"})

    @pytest.mark.parametrize(
        ("condition", "codes"),
        [
            (Condition.IF_ABSENT, [1, 0, 0]),
            (Condition.IF_PRESENT, [0, 1, 1]),
            (Condition.IF_GREATER, [0, 1, 0]),
            (Condition.IF_LESS, [1, 0, 1]),
        ],
    )
    async def test_conditions(self, subject, condition, codes):
        """NX, XX, GT and LT judge each field's deadline before; none counts as infinite."""
        await subject.result(HashSet(b"h", {b"none": b"1", b"sooner": b"1", b"later": b"1"}))
        await subject.result(FieldExpire(b"h", (b"sooner",), subject.in_ms(HOUR_MS)))
        await subject.result(FieldExpire(b"h", (b"later",), subject.in_ms(3 * HOUR_MS)))
        fields = (b"none", b"sooner", b"later")
        assert await subject.result(FieldExpire(b"h", fields, subject.in_ms(2 * HOUR_MS), condition)) == codes

    async def test_only_a_hash_has_fields(self, subject):
        """A string is refused; no key at all is -2 for every field."""
        await subject.result(SetValue(b"s", b"v"))
        at = subject.in_ms(HOUR_MS)
        answers = await subject.write(FieldExpire(b"s", (b"f",), at), FieldExpire(b"absent", (b"f", b"g"), at))
        assert answers == [Refused(Refusal.WRONG_TYPE), Applied([-2, -2])]

    async def test_the_earlier_of_both_expiries_counts(self, subject):
        """A read tells the earliest moment at which anything in it dies."""
        await subject.write(HashSet(b"h", {b"a": b"1", b"b": b"1"}), Expire(b"h", subject.in_ms(2000)))
        await subject.result(FieldExpire(b"h", (b"a",), subject.in_ms(1000)))
        await subject.result(FieldExpire(b"h", (b"b",), subject.in_ms(9000)))
        assert (await subject.read(b"h")).expiry_ms == subject.in_ms(1000)
        assert (await subject.read(b"h", b"b")).expiry_ms == subject.in_ms(2000)
