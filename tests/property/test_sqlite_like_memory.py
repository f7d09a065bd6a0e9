"""Group commit changes no outcome: SQLite answers any sequence of writes as the memory origin does, one by one."""

import asyncio
import os
import random

from unit.origin_subject import OriginSubject, walk

from sidecar.clock import ManualClock
from sidecar.origins import open_origin
from sidecar.origins.base import (
    Condition,
    Delete,
    Expire,
    FieldExpire,
    GetAndDelete,
    GetAndExpire,
    HashDelete,
    HashSet,
    Read,
    SetValue,
)

SEQUENCES = int(os.environ.get("SQLITE_SEQUENCES", "100"))
KEYS = [b"a", b"b", b"\xff\x00", b"k" * 247]
FIELDS = [b"f", b"g", b"\xff", b"~expire"]
VALUES = [b"", b"1.10", b"\x00\xff", b'{"a":1}', bytes(20 * 1024 * 1024 + 1)]


def random_write(chance: random.Random, now_ms: int):
    key = chance.choice(KEYS)
    expiry_ms = chance.choice([None, now_ms - 1, now_ms + 1500, now_ms + 5000])
    condition = chance.choice(list(Condition))
    some = tuple(chance.sample(FIELDS, chance.randrange(1, 4)))
    value = chance.choices(VALUES, [20, 20, 20, 20, 1])[0]
    set_condition = chance.choice([Condition.ALWAYS, Condition.ALWAYS, Condition.IF_ABSENT, Condition.IF_PRESENT])
    return chance.choice(
        [
            SetValue(key, value, set_condition, expiry_ms, want_previous=chance.random() < 0.3),
            SetValue(key, value, set_condition, keep_expiry=True),
            SetValue(key, value),
            HashSet(key, dict.fromkeys(some, value)),
            HashSet(key, {some[0]: value}, only_absent=True),
            HashDelete(key, some),
            Delete(key),
            Expire(key, expiry_ms, condition),
            FieldExpire(key, some, expiry_ms, condition),
            GetAndExpire(key, expiry_ms),
            GetAndDelete(key),
        ]
    )


async def test_any_writes_in_any_transactions(tmp_path):
    """Batches of random writes of every kind, several sharing a commit, with time passing between."""
    clock = ManualClock()
    memory = OriginSubject(open_origin("memory://", clock=clock), clock)
    sqlite = OriginSubject(open_origin(f"sqlite:///{tmp_path / 'features.db'}", clock=clock), clock)
    await sqlite.origin.start()
    kinds = set()
    for seed in range(SEQUENCES):
        chance = random.Random(seed)
        calls = [
            [random_write(chance, clock.wall_ms()) for _ in range(chance.randrange(1, 6))]
            for _ in range(chance.randrange(1, 8))
        ]
        expected = [await memory.write(*writes) for writes in calls]
        assert await asyncio.gather(*[sqlite.write(*writes) for writes in calls]) == expected, f"seed {seed}"
        reads = [Read(key) for key in KEYS] + [Read(key, tuple(FIELDS[:2])) for key in KEYS]
        for part in (reads[: len(KEYS)], reads[len(KEYS) :]):
            answers = await memory.fetch(*part)
            assert await sqlite.fetch(*part) == answers, f"seed {seed}"
            kinds |= {type(answer) for answer in answers} | {type(getattr(answer, "value", None)) for answer in answers}
        for key in KEYS:
            assert await sqlite.expiries(key, *FIELDS) == await memory.expiries(key, *FIELDS), f"seed {seed}"
        assert await walk(sqlite, count=2) == await walk(memory, count=2), f"seed {seed}"
        await memory.pass_time(chance.choice([0, 1, 2]))
    assert {each.__name__ for each in kinds} == {"Found", "Absent", "bytes", "dict", "NoneType"}
    await sqlite.origin.close()
