"""What every origin promises of documents that die: run like origin_contract."""

import pytest

from sidecar.origins.base import (
    ABSENT,
    Condition,
    Delete,
    Expire,
    Expiries,
    Found,
    GetAndExpire,
    HashDelete,
    HashSet,
    Read,
    Refusal,
    Refused,
    SetValue,
)

HOUR_MS = 3_600_000
NEVER = Expiries(-1)
NOWHERE = Expiries(-2)


class ExpiryContract:
    """Expiries are wall-clock moments; in whole seconds here, the coarsest that an origin keeps."""

    async def test_a_document_dies_at_its_moment(self, subject):
        """Before it the document is served, from it on there is none for any command."""
        at = subject.in_ms(2000)
        await subject.write(SetValue(b"s", b"v", expiry_ms=at), HashSet(b"h", {b"f": b"v"}), Expire(b"h", at))
        assert (await subject.read(b"s")).value == b"v"
        assert (await subject.expiries(b"s")).document == at
        await subject.pass_time(2.5)
        assert await subject.fetch(Read(b"s"), Read(b"h"), Read(b"h", (b"f",))) == [ABSENT] * 3
        assert await subject.expiries(b"s") == NOWHERE
        assert await subject.result(Delete(b"h")) is False

    async def test_a_dead_document_leaves_nothing_to_its_successor(self, subject):
        """What is written in its place begins anew: no old fields, no old expiry, NX applies."""
        at = subject.in_ms(1000)
        await subject.write(SetValue(b"s", b"v", expiry_ms=at), HashSet(b"h", {b"f": b"v"}), Expire(b"h", at))
        await subject.pass_time(2)
        assert await subject.result(SetValue(b"s", b"w", Condition.IF_ABSENT, want_previous=True)) == (True, None)
        assert await subject.result(HashSet(b"h", {b"g": b"w"})) == 1
        assert [answer.value for answer in await subject.fetch(Read(b"s"), Read(b"h"))] == [b"w", {b"g": b"w"}]
        assert (await subject.expiries(b"s")).document == (await subject.expiries(b"h")).document == -1

    async def test_a_moment_in_the_past_deletes(self, subject):
        """SET, EXPIRE and GETEX with a past moment apply, and the document is gone."""
        past = subject.in_ms(-1000)
        await subject.write(*[SetValue(key, b"v") for key in (b"a", b"b", b"c")])
        assert await subject.result(SetValue(b"a", b"w", expiry_ms=past)) == (True, None)
        assert await subject.result(Expire(b"b", past)) is True
        assert await subject.result(GetAndExpire(b"c", past)) == b"v"
        assert await subject.fetch(Read(b"a"), Read(b"b"), Read(b"c")) == [ABSENT] * 3

    async def test_set_clears_an_expiry_unless_it_keeps_it(self, subject):
        """SET forgets the old expiry; with KEEPTTL it stays, and where there was none none comes."""
        at = subject.in_ms(HOUR_MS)
        await subject.result(SetValue(b"s", b"1", expiry_ms=at))
        await subject.result(SetValue(b"s", b"2", keep_expiry=True))
        assert (await subject.expiries(b"s")).document == at
        await subject.result(SetValue(b"s", b"3"))
        assert await subject.expiries(b"s") == NEVER
        await subject.result(SetValue(b"new", b"1", keep_expiry=True))
        assert await subject.expiries(b"new") == NEVER

    async def test_a_hash_keeps_its_expiry_when_fields_change(self, subject):
        """HSET and HDEL leave the document's expiry."""
        at = subject.in_ms(HOUR_MS)
        await subject.write(HashSet(b"h", {b"a": b"1", b"b": b"1"}), Expire(b"h", at))
        await subject.write(HashSet(b"h", {b"c": b"1"}), HashDelete(b"h", (b"a",)))
        assert (await subject.expiries(b"h")).document == at
        assert (await subject.read(b"h")).value == {b"b": b"1", b"c": b"1"}

    async def test_persist(self, subject):
        """PERSIST clears an expiry and says whether there was one."""
        await subject.result(SetValue(b"s", b"v", expiry_ms=subject.in_ms(HOUR_MS)))
        assert await subject.result(Expire(b"s", None)) is True
        assert await subject.result(Expire(b"s", None)) is False
        assert await subject.expiries(b"s") == NEVER
        assert await subject.result(Expire(b"absent", None)) is False

    @pytest.mark.parametrize(
        ("condition", "without", "sooner", "later"),
        [
            (Condition.ALWAYS, True, True, True),
            (Condition.IF_ABSENT, True, False, False),
            (Condition.IF_PRESENT, False, True, True),
            (Condition.IF_GREATER, False, False, True),
            (Condition.IF_LESS, True, True, False),
        ],
    )
    async def test_conditions_of_expire(self, subject, condition, without, sooner, later):
        """NX, XX, GT and LT judge the expiry before; none counts as infinite."""
        before = subject.in_ms(2 * HOUR_MS)
        for key, expiry_ms, after, holds in [
            (b"without", None, subject.in_ms(HOUR_MS), without),
            (b"sooner", before, subject.in_ms(HOUR_MS), sooner),
            (b"later", before, subject.in_ms(3 * HOUR_MS), later),
        ]:
            await subject.result(SetValue(key, b"v", expiry_ms=expiry_ms))
            assert await subject.result(Expire(key, after, condition)) is holds, key
            expected = after if holds else -1 if expiry_ms is None else expiry_ms
            assert (await subject.expiries(key)).document == expected, key

    async def test_expire_needs_a_document(self, subject):
        """EXPIRE on nothing is False and makes nothing."""
        assert await subject.result(Expire(b"absent", subject.in_ms(HOUR_MS))) is False
        assert await subject.read(b"absent") == ABSENT

    async def test_get_and_expire(self, subject):
        """GETEX answers the value and sets or clears the expiry; absent is None, a hash is refused."""
        at = subject.in_ms(HOUR_MS)
        await subject.write(SetValue(b"s", b"v"), HashSet(b"h", {b"f": b"v"}))
        assert await subject.result(GetAndExpire(b"s", at)) == b"v"
        assert (await subject.expiries(b"s")).document == at
        assert await subject.result(GetAndExpire(b"s", None)) == b"v"
        assert await subject.expiries(b"s") == NEVER
        assert await subject.result(GetAndExpire(b"absent", at)) is None
        assert await subject.write(GetAndExpire(b"h", at)) == [Refused(Refusal.WRONG_TYPE)]

    async def test_expiries_tell_the_kind(self, subject):
        """HTTL needs to know hashes from strings, and gets -1 and -2 per field."""
        await subject.write(SetValue(b"s", b"v"), HashSet(b"h", {b"f": b"v"}))
        assert await subject.expiries(b"h", b"f", b"no") == Expiries(-1, (-1, -2), is_hash=True)
        assert (await subject.expiries(b"s", b"f")).is_hash is False
        assert await subject.expiries(b"absent", b"f") == Expiries(-2, (-2,))


class KnownExpiryContract:
    """Origins that know a document's expiry at each read (Couchbase only where the policy asks for it)."""

    async def test_a_read_tells_the_expiry(self, subject):
        """Found carries the document's expiry, so that memory does not serve it past that."""
        at = subject.in_ms(HOUR_MS)
        await subject.write(SetValue(b"s", b"v", expiry_ms=at), HashSet(b"h", {b"f": b"v"}), Expire(b"h", at))
        assert await subject.read(b"s") == Found(b"v", expiry_ms=at)
        assert await subject.read(b"h") == Found({b"f": b"v"}, expiry_ms=at)
        assert await subject.read(b"h", b"f") == Found({b"f": b"v"}, whole=False, expiry_ms=at)
