"""Fuzz the request parser: any bytes: commands or ProtocolViolation, same result whole or split, memory within limits.

    python tests/fuzz/fuzz_protocol.py [inputs] [seed]

Inputs are mutations of sound requests and of the files in corpus/, seeded, so a failure is found again by its number.
A failing input is printed; put it into corpus/ under a name that tells what broke, and it is tried for ever.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from protocol import FieldLists, ProtocolViolation, Session, command, errors

CORPUS = Path(__file__).parent / "corpus"
MAX_BULK_BYTES = 4096
HELD_BYTES = 16 * 1024  # what a session may hold beside twice the bytes it was fed

PIECES = [
    *(b"*", b"$", b"\r\n", b"\r", b"\n", b" ", b'"', b"'", b"\\x41", b"\0", b"-1", b"0", b"00", b"+1", b"\xff"),
    *(b"*1\r\n", b"*2\r\n", b"*-1\r\n", b"$0\r\n\r\n", b"$4\r\nPING\r\n", b"$5\r\nHMGET\r\n", b"$4097\r\n", b"POST "),
    *(b"$4096\r\n", b"*1048576\r\n", b"*1048577\r\n", b"$9223372036854775808\r\n", b"PING\r\n", b"get 'a b'\r\n"),
]
NAMES = [b"GET", b"set", b"HMGET", b"HGETALL", b"MGET", b"PING", b"hello", b"nosuch", b"client", b"POST", b"Host:", b""]

Outcome = tuple[list[list[bytes]], bytes | None]


def sound_request(rng: random.Random) -> bytes:
    """A well-formed command, now and then the same field list again."""
    name = rng.choice(NAMES)
    if name == b"HMGET" and rng.random() < 0.7:
        fields = [b"f%d" % number for number in range(rng.choice([4, 5, 20]))]
        args = [name, rng.randbytes(rng.randrange(4)), *fields]
    else:
        args = [name, *(rng.randbytes(rng.choice([0, 1, 5, 200])) for _ in range(rng.randrange(5)))]
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few bytes changed, removed, doubled, or a piece put in."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 1:
            del changed[at : at + rng.randrange(1, 4)]
        elif kind == 2:
            changed[at:at] = rng.choice(PIECES)
        elif kind == 3:
            changed[at:at] = changed[at : at + rng.randrange(1, 40)]
        elif kind == 4:
            del changed[at:]
    return bytes(changed)


def inputs(count: int, seed: int) -> Iterator[bytes]:
    """The corpus as it is, then `count` mutations."""
    kept = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    yield from kept
    for number in range(count):
        rng = random.Random(f"{seed}:{number}")
        base = rng.choice(kept) if kept and rng.random() < 0.2 else b""
        yield mutated(rng, base + b"".join(sound_request(rng) for _ in range(rng.randrange(1, 5))))


def outcome(pieces: list[bytes], lists: FieldLists, stranger: bool) -> Outcome:
    """What a session makes of the pieces; asserts what must hold at each of them."""
    session = Session(lists=lists, needs_password=stranger, max_bulk_bytes=MAX_BULK_BYTES)
    got: list[list[bytes]] = []
    fed = 0
    try:
        for piece in pieces:
            session.feed(piece)
            fed += len(piece)
            for args in iter(session.next_command, None):
                assert args
                spec = command(args[0])
                session.slots.reply(errors.unknown_command(args) if spec is None else spec.keys(args), session.proto)
                got.append(args)
            assert session.held_bytes <= 4 * fed + HELD_BYTES, (session.held_bytes, fed)
    except ProtocolViolation as violation:
        assert session.closing and session.next_command() is None
        assert violation.text == b"" or violation.text.startswith(b"ERR Protocol error: ")
        assert session.take_output().endswith(
            b"-" * bool(violation.text) + violation.text + b"\r\n" * bool(violation.text)
        )
        return got, violation.text
    return got, None


def check(data: bytes, rng: random.Random, lists: FieldLists) -> None:
    """Whole, byte by byte (short ones) and at random cuts: one outcome."""
    stranger = rng.random() < 0.2
    whole = outcome([data], lists, stranger)
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 8)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert outcome(pieces, lists, stranger) == whole
    if len(data) < 200:
        assert outcome([data[at : at + 1] for at in range(len(data))], lists, stranger) == whole
    lists.free_retired()


def fuzz(count: int, seed: int) -> int:
    """Try the corpus and `count` mutations; the number tried.

    Raises:
        AssertionError: with the input in its notes.
    """
    lists = FieldLists()
    tried = 0
    for tried, data in enumerate(inputs(count, seed), 1):
        try:
            check(data, random.Random(tried), lists)
        except BaseException as error:
            error.add_note(f"seed {seed}, input {tried}: {data!r}")
            raise
    assert lists.known > 0
    return tried


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(f"{fuzz(wanted, chosen)} inputs, no failure")
