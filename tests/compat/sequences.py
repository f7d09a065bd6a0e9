"""Random command sequences that two servers must answer alike, from a seed.

Every sequence works on a few keys of its own prefix and deletes them at its end. Commands come from the table below:
mostly well-formed, some malformed, with binary keys, fields and values. What differs between servers by design (HELLO,
DBSIZE, INFO, MEMORY, CLIENT, CONFIG, COMMAND, SLOWLOG, LATENCY, FLUSH*) is left out.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Command = list[bytes]

VALUES = (
    b"", b"0", b"1", b"-17", b"1.10", b"3.14e10", b"1e400", b"true", b"null", b"value", b'{"a":1}', b"[1, 2]",
    b'"quoted"', b"\xff\xfe\x00\x01", b"\x00", "gr\u00fc\u00dfe \u2603".encode(), b"line\r\nbreak", b"x" * 70,
    b"~tilde", b"y" * 5000, b"123456789012345678901234567890", b"\\escaped\\", b"-0", b"00012", b" 1",
    b'{"$binary":"AAE="}', b"\xed\xa0\x80",
)  # fmt: skip
FIELDS = (
    b"a", b"b", b"c", b"d", b"", b"~expire", b"~x", b"ctr_7d", b"\xff\x00", "\u00e4".encode(), b"a b", b"$binary",
    b"_ts:v",
)  # fmt: skip
BAD_NUMBERS = (b"x", b"", b"+1", b" 1", b"1.5", b"9223372036854775808", b"-", b"0x10", b"1e3", b"007")
LIVES_S = (50, 300, 1000, 86_400, 31_536_000, 4_000_000_000)  # far away: nothing expires while a sequence runs
ODD_LIVES = (0, -1, -100, -(2**63), 2**63 - 1, 2**62, 9_223_372_036_854_775)
OVER = (1, 1_000_000_000)  # absolute times, in seconds or milliseconds
UNITS = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}  # ms, absolute
EXPIRE = {b"EXPIRE": b"EX", b"PEXPIRE": b"PX", b"EXPIREAT": b"EXAT", b"PEXPIREAT": b"PXAT"}
CONDITIONS = ([], [], [], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"NX", b"XX"])
TWO_CONDITIONS = ([b"XX", b"LT"], [b"XX", b"GT"], [b"GT", b"LT"])
GLOBS = (b"*", b"a*", b"?", b"[a-c]", b"\\~*", b"[^a]*")


@dataclass
class Sequence:
    """Commands in phases; between two phases short lives end.

    Attributes:
        walks: patterns whose whole SCAN, and keys whose whole HSCAN, is compared after the last phase.
    """

    seed: int
    phases: list[list[Command]]
    scans: list[tuple[bytes, ...]] = field(default_factory=list)
    hscans: list[bytes] = field(default_factory=list)
    farewell: Command = field(default_factory=list)


class Generator:
    """Makes sequences.

    Args:
        version: of the Redis that answers too: what it lacks is left out.
        allow_expiring: end some sequences' keys and fields by short lives.
    """

    def __init__(self, version: tuple[int, int], prefix: bytes) -> None:
        self._has_field_expiry = version >= (7, 4)
        self._prefix = prefix
        makers = COMMON + FIELD_EXPIRY if self._has_field_expiry else COMMON
        self._makers = [make for make, _ in makers]
        self._weights = [weight for _, weight in makers]

    def make(self, seed: int) -> Sequence:
        """The sequence of a seed."""
        dice = Dice(seed, self._prefix + b"%d:" % seed, self._has_field_expiry)
        expires = dice.chance(0.05)
        phases = [self._phase(dice)]
        if expires:
            phases[0] += dice.short_lives()
            phases.append(self._phase(dice))
        sequence = Sequence(seed, phases, farewell=[b"DEL", *dice.keys])
        if dice.chance(0.02):
            sequence.scans.append((b"MATCH", dice.prefix + b"*", b"COUNT", b"%d" % dice.randint(1, 2000)))
            sequence.scans.append((b"TYPE", dice.choice([b"string", b"hash"]), b"MATCH", dice.prefix + b"*"))
        if dice.chance(0.05):
            sequence.hscans.append(dice.key())
        return sequence

    def _phase(self, dice: "Dice") -> list[Command]:
        commands: list[Command] = []
        for _ in range(dice.randint(4, 14)):
            if dice.chance(0.06):
                commands += self._transaction(dice)
            else:
                commands.append(self._command(dice))
        return commands

    def _command(self, dice: "Dice") -> Command:
        command = dice.choices(self._makers, self._weights)[0](dice)
        return dice.spoiled(command) if dice.chance(0.04) else command

    def _transaction(self, dice: "Dice") -> list[Command]:
        commands = [self._command(dice) for _ in range(dice.randint(0, 6))]
        return [[b"MULTI"], *commands, [dice.choices([b"EXEC", b"DISCARD"], [9, 1])[0]]]


class Dice(random.Random):
    """The random choices of one sequence."""

    def __init__(self, seed: int, prefix: bytes, has_field_expiry: bool) -> None:
        super().__init__(seed)
        self.prefix = prefix
        self.has_field_expiry = has_field_expiry
        self.keys = [prefix + name for name in (b"a", b"b", b"c", b"\xff\x00", b"")[: self.randint(1, 5)]]
        self._lives = 0
        self.fields = self.sample(FIELDS, self.randint(1, 6))

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def key(self) -> bytes:
        return self.choice(self.keys)

    def some_keys(self) -> list[bytes]:
        return self.choices(self.keys, k=self.randint(1, 4))

    def field(self) -> bytes:
        return self.choice(self.fields)

    def some_fields(self) -> list[bytes]:
        return self.choices(self.fields, k=self.randint(1, 5))

    def value(self) -> bytes:
        return self.choice(VALUES) if self.chance(0.8) else self.randbytes(self.randint(0, 40))

    def pairs(self) -> list[bytes]:
        return [part for name in self.some_fields() for part in (name, self.value())]

    def cased(self, word: bytes) -> bytes:
        return self.choice([word, word.lower(), word.title()])

    def number(self, good: int) -> bytes:
        return self.choice(BAD_NUMBERS) if self.chance(0.05) else b"%d" % good

    def life(self, unit: bytes) -> bytes:
        """A time that is far away, or odd, or over."""
        unit_ms, absolute = UNITS[unit]
        if self.chance(0.1):
            return b"%d" % self.choice(ODD_LIVES + (OVER if absolute else ()))
        self._lives += 2  # no two within 2 s: GT and LT must not hang on the milliseconds between two servers
        start = int(time.time()) if absolute else 0
        return self.number((start + self.choice(LIVES_S) + self._lives) * 1000 // unit_ms)

    def spoiled(self, command: Command) -> Command:
        """An argument too few or too many, or another word for one."""
        way = self.randint(0, 2)
        if way == 0 and len(command) > 1:
            return command[:-1]
        if way == 1:
            return [*command, self.choice([b"x", b"", b"NX", b"EX"])]
        at = self.randint(0, len(command) - 1)
        if command[at] in self.keys or at == 0 or command[0] == b"HSCAN":
            return [*command, b"spoiled"]  # a written key without the prefix would outlive the sequence
        return [*command[:at], self.choice([b"NX", b"XX", b"junk", b"", b"-1"]), *command[at + 1 :]]

    def short_lives(self) -> list[Command]:
        """The last commands of a phase: keys and fields that are gone before the next one."""
        commands: list[Command] = []
        for key in self.sample(self.keys, self.randint(1, len(self.keys))):
            milliseconds = b"%d" % self.randint(100, 150)  # long enough to be set, on a busy machine too
            makers: list[Command] = [
                [b"PEXPIRE", key, milliseconds],
                [b"SET", key, self.value(), b"PX", milliseconds],
            ]
            if self.has_field_expiry:
                names = sorted(set(self.some_fields()))
                makers.append([b"HPEXPIRE", key, milliseconds, b"FIELDS", b"%d" % len(names), *names])
            commands.append(self.choice(makers))
        return commands


def _set(dice: Dice) -> Command:
    command = [dice.cased(b"SET"), dice.key(), dice.value()]
    if dice.chance(0.2):
        command.append(dice.cased(dice.choice([b"NX", b"XX"])))
    if dice.chance(0.15):
        command.append(dice.cased(b"GET"))
    if dice.chance(0.2):
        unit = dice.choice(list(UNITS))
        command += [dice.cased(unit), dice.life(unit)]
    elif dice.chance(0.1):
        command.append(dice.cased(b"KEEPTTL"))
    return command


def _getex(dice: Dice) -> Command:
    unit = dice.choice(list(UNITS))
    return [b"GETEX", dice.key(), *dice.choice([[], [b"PERSIST"], [unit, dice.life(unit)]])]


def _expire(dice: Dice) -> Command:
    name = dice.choice(list(EXPIRE))
    return [name, dice.key(), dice.life(EXPIRE[name]), *dice.choice(CONDITIONS + TWO_CONDITIONS)]


def _hexpire(dice: Dice) -> Command:
    name = dice.choice(list(EXPIRE))
    return [b"H" + name, dice.key(), dice.life(EXPIRE[name]), *dice.choice(CONDITIONS), *_of_fields(dice)]


def _httl(dice: Dice) -> Command:
    name = dice.choice([b"HTTL", b"HPTTL", b"HEXPIRETIME", b"HPEXPIRETIME"])
    return [name, dice.key(), *_of_fields(dice)]


def _hscan(dice: Dice) -> Command:
    match = [b"MATCH", dice.choice(GLOBS)] if dice.chance(0.5) else []
    return [b"HSCAN", dice.key(), b"0", *match, b"COUNT", b"1000"]


def _large(dice: Dice) -> Command:
    """A value beyond one segment of memory, or a hash that HSCAN gives in pages."""
    if dice.chance(0.3):
        return [b"SET", dice.key(), b"z" * 300_000]
    return [b"HSET", dice.key(), *(part for n in range(600) for part in (b"n%d" % n, b"%d" % dice.randint(0, 9)))]


def _stray(dice: Dice) -> Command:
    """No such command, or none that fits here."""
    name = dice.choice([b"EXEC", b"DISCARD", b"NOPE", b"get", b"HGETALLL"])
    return [name, *dice.choices([b"", b"x"], k=dice.randint(0, 1))]


def _of_fields(dice: Dice) -> list[bytes]:
    names = dice.some_fields()
    return [dice.cased(b"FIELDS"), dice.number(len(names)), *names]


def _on_key(name: bytes) -> Callable[[Dice], Command]:
    return lambda dice: [dice.cased(name), dice.key()]


def _on_keys(name: bytes) -> Callable[[Dice], Command]:
    return lambda dice: [dice.cased(name), *dice.some_keys()]


def _on_field(name: bytes) -> Callable[[Dice], Command]:
    return lambda dice: [name, dice.key(), dice.field()]


def _on_fields(name: bytes) -> Callable[[Dice], Command]:
    return lambda dice: [name, dice.key(), *dice.some_fields()]


def _one_of(*names: bytes) -> Callable[[Dice], Command]:
    return lambda dice: [dice.choice(names), dice.key()]


Maker = tuple[Callable[[Dice], Command], float]
COMMON: list[Maker] = [
    (_set, 6),
    (_on_key(b"GET"), 6),
    (_on_keys(b"MGET"), 2),
    (lambda dice: [b"MSET", *(part for key in dice.some_keys() for part in (key, dice.value()))], 1),
    (lambda dice: [b"SETNX", dice.key(), dice.value()], 1),
    (lambda dice: [b"SETEX", dice.key(), dice.life(b"EX"), dice.value()], 1),
    (lambda dice: [b"PSETEX", dice.key(), dice.life(b"PX"), dice.value()], 1),
    (_on_key(b"GETDEL"), 1),
    (_getex, 2),
    (_on_key(b"STRLEN"), 1),
    (lambda dice: [b"HSET", dice.key(), *dice.pairs()], 8),
    (lambda dice: [b"HMSET", dice.key(), *dice.pairs()], 1),
    (lambda dice: [b"HSETNX", dice.key(), dice.field(), dice.value()], 1),
    (_on_field(b"HGET"), 4),
    (_on_fields(b"HMGET"), 5),
    (_on_key(b"HGETALL"), 3),
    (_one_of(b"HKEYS", b"HVALS", b"HLEN"), 2),
    (_on_field(b"HEXISTS"), 1),
    (_on_field(b"HSTRLEN"), 1),
    (_on_fields(b"HDEL"), 3),
    (_hscan, 2),
    (_on_keys(b"DEL"), 2),
    (_on_keys(b"UNLINK"), 1),
    (_on_keys(b"EXISTS"), 2),
    (_on_keys(b"TOUCH"), 0.5),
    (_on_key(b"TYPE"), 2),
    (_expire, 3),
    (_one_of(b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"), 4),
    (_on_key(b"PERSIST"), 1),
    (lambda dice: [b"ECHO", dice.value()], 0.5),
    (lambda dice: [b"PING"] if dice.chance(0.5) else [b"PING", dice.value()], 0.5),
    (_stray, 0.3),
    (_large, 0.05),
]
FIELD_EXPIRY: list[Maker] = [
    (_hexpire, 3),
    (_httl, 2),
    (lambda dice: [b"HPERSIST", dice.key(), *_of_fields(dice)], 1),
    (lambda dice: [b"HSCAN", dice.key(), b"0", b"NOVALUES", b"COUNT", b"1000"], 0.5),
]
