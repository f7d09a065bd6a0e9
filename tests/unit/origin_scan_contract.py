"""What origins that can list their keys promise: run like origin_contract."""

import random

import pytest
from unit.origin_subject import walk

from sidecar.origins.base import Delete, Expire, FieldExpire, HashSet, SetValue


class ScanContract:
    """A walk returns every key that is there from its beginning to its end."""

    @pytest.mark.parametrize("count", [1, 7, 1000])
    async def test_every_key_with_its_kind(self, subject, count):
        """Pages of any size make up the whole set."""
        await subject.write(*[SetValue(b"s%d" % number, b"v") for number in range(50)])
        await subject.write(*[HashSet(b"h%d" % number, {b"f": b"v"}) for number in range(50)])
        expected = [(b"s%d" % number, b"string") for number in range(50)]
        expected += [(b"h%d" % number, b"hash") for number in range(50)]
        assert sorted(await walk(subject, count=count)) == sorted(expected)

    async def test_nothing_to_walk(self, subject):
        """An empty origin is one page without keys."""
        assert await walk(subject) == []

    async def test_keys_that_stay_are_all_returned_while_others_come_and_go(self, subject):
        """Writes between the pages never hide a key that was there all the time."""
        chance = random.Random(7)
        stay = [b"k%03d" % number for number in range(0, 300, 3)]
        await subject.write(*[SetValue(b"k%03d" % number, b"v") for number in range(300)])
        seen, position, changes = [], None, 0
        while True:
            position, keys = await subject.origin.scan(position, None, 5, subject.deadline())
            seen += [key for key, _ in keys]
            if position is None:
                break
            goes, comes = (b"k%03d" % (3 * chance.randrange(100) + other) for other in (1, 2))
            await subject.write(Delete(goes), SetValue(comes, b"w"), SetValue(chance.choice(stay), b"w"))
            changes += 1
        assert changes > 20
        assert set(stay) <= set(seen)

    @pytest.mark.parametrize(
        ("glob", "expected"),
        [
            (b"*", {b"user:1", b"user:2", b"item:1", b"a\x00\xffb", b"a\nb", b"[x]", b"u"}),
            (b"user:*", {b"user:1", b"user:2"}),
            (b"*:1", {b"user:1", b"item:1"}),
            (b"u*r:?", {b"user:1", b"user:2"}),
            (b"user:[2-9]", {b"user:2"}),
            (b"user:[^2]", {b"user:1"}),
            (b"a\x00*b", {b"a\x00\xffb"}),
            (b"a?b", {b"a\nb"}),
            (b"\\[x\\]", {b"[x]"}),
            (b"u", {b"u"}),
            (b"nothing*", set()),
        ],
    )
    async def test_match_is_a_glob_over_bytes(self, subject, glob, expected):
        """MATCH follows Redis's rules, in NUL bytes, newlines and bytes that are no text too."""
        keys = [b"user:1", b"user:2", b"item:1", b"a\x00\xffb", b"a\nb", b"[x]", b"u"]
        await subject.write(*[SetValue(key, b"v") for key in keys])
        assert {key for key, _ in await walk(subject, glob, 2)} == expected

    @pytest.mark.parametrize(("glob", "expected"), [(None, [b"", b"a"]), (b"*", [b"", b"a"]), (b"?*", [b"a"])])
    async def test_the_empty_key(self, subject, glob, expected):
        """It is a key like others, which MATCH * finds and a pattern of at least one byte does not."""
        await subject.write(SetValue(b"", b"v"), SetValue(b"a", b"v"))
        assert [key for key, _ in await walk(subject, glob, 1)] == expected

    async def test_a_prefix_of_the_highest_byte(self, subject):
        """A pattern that begins with 0xff finds the keys that no other key follows."""
        await subject.write(*[SetValue(key, b"v") for key in (b"\xff", b"\xff\xffa", b"\xfe")])
        assert {key for key, _ in await walk(subject, b"\xff*", 1)} == {b"\xff", b"\xff\xffa"}

    async def test_what_has_died_is_not_listed(self, subject):
        """Neither a document past its expiry nor a hash whose fields have all died is a key."""
        at = subject.in_ms(1000)
        await subject.write(SetValue(b"s", b"v", expiry_ms=at), HashSet(b"h", {b"f": b"v"}), SetValue(b"lives", b"v"))
        await subject.result(FieldExpire(b"h", (b"f",), at))
        assert len(await walk(subject)) == 3
        await subject.pass_time(1)
        assert await walk(subject) == [(b"lives", b"string")]

    async def test_count_follows_the_keys(self, subject):
        """DBSIZE's number is that of the documents."""
        assert await subject.origin.count(subject.deadline()) == 0
        await subject.write(SetValue(b"a", b"v"), HashSet(b"h", {b"f": b"v"}), SetValue(b"a", b"w"))
        assert await subject.origin.count(subject.deadline()) == 2
        await subject.write(Delete(b"a"), Delete(b"absent"), SetValue(b"b", b"v"), SetValue(b"c", b"v"))
        past = subject.in_ms(-1)
        await subject.write(Expire(b"b", past), SetValue(b"c", b"w", expiry_ms=past), FieldExpire(b"h", (b"f",), past))
        assert await subject.origin.count(subject.deadline()) == 0
