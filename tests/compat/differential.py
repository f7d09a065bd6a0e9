"""Random command sequences against a real redis-server and against us: F10's comparison.

    PYTHONPATH=tests python -m compat.differential --sequences 100000 --redis UNIX_SOCKET --sidecar UNIX_SOCKET

Sequences go out in batches, as one pipeline to each server (all commands of the batch's sequences, one after the
other) or, every EVERY_ONE_BY_ONE-th batch, one command at a time. Equal bytes are equal; else each reply is judged by
``equivalence``. A difference is printed with its seed and all commands up to it.
"""

import argparse
import random
import socket
import sys
import time
from collections.abc import Callable, Iterable

from compat.equivalence import alike, exec_alike, parse
from compat.sequences import Command, Generator, Sequence
from compat.wire import Wire, encode, split_replies

BATCH = 25  # sequences in one pipeline
EVERY_ONE_BY_ONE = 10
EXPIRY_S = 0.4  # short lives are at most 150 ms; Redis removes expired hash fields ten times a second


class Difference(AssertionError):
    """The two servers answered one sequence differently."""


class Differential:
    """Compares two servers on one pair of connections for each RESP version."""

    def __init__(self, connect_redis: Callable[[], socket.socket], connect_ours: Callable[[], socket.socket]) -> None:
        self._apart_ms = 0.0  # at most so far apart the two servers were asked the same, in this batch
        self._pairs = [(Wire(connect_redis(), resp3), Wire(connect_ours(), resp3)) for resp3 in (False, True)]

    def close(self) -> None:
        for redis, ours in self._pairs:
            redis.close()
            ours.close()

    def run(self, sequences: Iterable[Sequence]) -> int:
        """Compare them all. Returns how many there were.

        Raises:
            Difference: at the first one.
        """
        batch: list[Sequence] = []
        timed: list[Sequence] = []
        number = count = 0
        for sequence in sequences:
            count += 1
            (timed if len(sequence.phases) > 1 else batch).append(sequence)
            if len(batch) == BATCH:
                self._batch(batch, number)
                batch, number = [], number + 1
            if len(timed) == 10 * BATCH:
                self._batch(timed, number)
                timed, number = [], number + 1
        for rest in (batch, timed):
            self._batch(rest, number)
        return count

    def _batch(self, sequences: list[Sequence], number: int) -> None:
        redis, ours = self._pairs[number % 2]
        self._apart_ms = 0.0
        one_by_one = number % EVERY_ONE_BY_ONE == EVERY_ONE_BY_ONE - 1
        phases = max((len(sequence.phases) for sequence in sequences), default=0)
        for phase in range(phases):
            if phase:
                time.sleep(EXPIRY_S)
            commands = [command for sequence in sequences for command in sequence.phases[phase]]
            self._compare(redis, ours, commands, sequences, phase, one_by_one)
        for sequence in sequences:
            self._walks(redis, ours, sequence)
        farewells = [sequence.farewell for sequence in sequences]
        if redis.exchange(farewells) != ours.exchange(farewells):
            raise Difference(f"DEL at the end, one of seeds {[sequence.seed for sequence in sequences]}")

    def _compare(
        self, redis: Wire, ours: Wire, commands: list[Command], sequences: list[Sequence], phase: int, one_by_one: bool
    ) -> None:
        started = time.monotonic()
        if one_by_one:
            left = [redis.one(*command) for command in commands]
            right = [ours.one(*command) for command in commands]
            if left == right:
                return
        else:
            request = b"".join(map(encode, commands))
            raw_left, raw_right = redis.exchange_raw(request), ours.exchange_raw(request)
            if raw_left == raw_right:
                return
            left, right = split_replies(raw_left), split_replies(raw_right)
        self._apart_ms += (time.monotonic() - started) * 1000
        at = 0
        for sequence in sequences:
            end = at + len(sequence.phases[phase])
            self._judge(sequence, phase, left[at:end], right[at:end])
            at = end

    def _judge(self, sequence: Sequence, phase: int, theirs: list[bytes], ours: list[bytes]) -> None:
        queued: list[Command] = []
        commands = sequence.phases[phase]
        for place, command in enumerate(commands):
            same = theirs[place][:1] == ours[place][:1]
            if theirs[place] == b"+QUEUED\r\n":
                queued.append(command)
                same = theirs[place] == ours[place]
            elif command[0].lower() in (b"exec", b"discard") and len(command) == 1:
                same, queued = exec_alike(queued, ours[place], theirs[place], self._apart_ms), []
            elif same:
                same = alike(command, ours[place], theirs[place], self._apart_ms)
            if not same:
                raise Difference(self._report(sequence, phase, place, theirs, ours))

    @staticmethod
    def _report(sequence: Sequence, phase: int, place: int, theirs: list[bytes], ours: list[bytes]) -> str:
        lines = [f"seed {sequence.seed}, phase {phase}:"]
        for each, command in enumerate(sequence.phases[phase][: place + 1]):
            lines.append(f"  {b' '.join(command)[:300]!r} -> {theirs[each][:300]!r}")
        lines.append(f"  ours: {ours[place][:600]!r}")
        if phase:
            lines.append(f"  phase 0 was: {sequence.phases[0]!r}")
        return "\n".join(lines)

    def _walks(self, redis: Wire, ours: Wire, sequence: Sequence) -> None:
        for options in sequence.scans:
            left, right = (sorted(set(_walk(wire, [b"SCAN"], options, 1))) for wire in (redis, ours))
            if left != right:
                raise Difference(f"seed {sequence.seed}: SCAN {options}: {left} but ours {right}")
        for key in sequence.hscans:
            left, right = (sorted(set(_walk(wire, [b"HSCAN", key], (), 2))) for wire in (redis, ours))
            if left != right:
                raise Difference(f"seed {sequence.seed}: HSCAN {key!r}: {left} but ours {right}")


def _walk(wire: Wire, command: Command, options: tuple[bytes, ...], step: int) -> Iterable[tuple[bytes, ...]]:
    """What a whole SCAN (step 1) or HSCAN (step 2) returns."""
    cursor = b"0"
    while True:
        reply = parse(wire.one(*command, cursor, *options))
        if isinstance(reply, Exception):
            yield (str(reply).encode(),)
            return
        cursor, elements = reply
        yield from zip(*(elements[place::step] for place in range(step)), strict=True)
        if cursor == b"0":
            return


def sequences_of(version: tuple[int, int], count: int, first_seed: int) -> Iterable[Sequence]:
    """``count`` sequences on keys that no other run uses."""
    generator = Generator(version, b"d%x:" % random.SystemRandom().getrandbits(32))
    return (generator.make(seed) for seed in range(first_seed, first_seed + count))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sequences", type=int, default=10_000)
    arguments.add_argument("--first", type=int, default=1)
    arguments.add_argument("--redis", required=True)
    arguments.add_argument("--sidecar", required=True)
    arguments.add_argument("--redis-version", default="7.4")
    given = arguments.parse_args()

    def connect(path: str) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(path)
        return client

    version = tuple(int(part) for part in given.redis_version.split("."))
    differential = Differential(lambda: connect(given.redis), lambda: connect(given.sidecar))
    started = time.monotonic()
    try:
        count = differential.run(sequences_of((version[0], version[1]), given.sequences, given.first))
    except Difference as difference:
        sys.exit(str(difference))
    print(f"{count} sequences alike in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
