"""Whatever the origin answers first, one connection's replies are those of its commands run one after the other."""

import asyncio
import os
import random

from command_client import Bench, Client
from compat.sequences import Generator

SEEDS = int(os.environ.get("ORDER_SEEDS", "300"))


def complete_some(bench: Bench, dice: random.Random) -> None:
    """Let the origin answer one read, any, or one write, the first of its key."""
    bench.loop.run_until_complete(asyncio.sleep(0))
    reads, writes = bench.reads.waiting, bench.writes.waiting
    if reads and (not writes or dice.random() < 0.5):
        bench.reads.waiting = [reads[dice.randrange(len(reads))]]
        others = [each for each in reads if each is not bench.reads.waiting[0]]
        bench.reads.complete()
        bench.reads.waiting += others
    elif writes:
        chosen = dice.choice(writes)
        chosen = next(each for each in writes if each[0].key == chosen[0].key)
        bench.writes.waiting = [chosen]
        others = [each for each in writes if each is not chosen]
        bench.writes.complete()
        bench.writes.waiting = others + bench.writes.waiting


def one_by_one(commands: list[list[bytes]]) -> bytes:
    """The replies when each command waits for the one before it."""
    bench = Bench()
    client = bench.client()
    out = b""
    for command in commands:
        out += client.send(*command)
        bench.complete()
        out += client.output()
    return out


def pipelined(commands: list[list[bytes]], dice: random.Random) -> tuple[bytes, Client]:
    """The replies when commands arrive while earlier ones are unresolved."""
    bench = Bench()
    client = bench.client()
    out = b""
    for command in commands:
        out += client.send(*command)
        while dice.random() < 0.3:
            complete_some(bench, dice)
    while bench.reads.waiting or bench.writes.waiting or bench.dispatcher.tasks:
        complete_some(bench, dice)
    return out + client.output(), client


def test_any_order_of_completion_gives_the_same_replies() -> None:
    """Random sequences of all commands, transactions and scans among them, over a few keys."""
    generator = Generator((7, 4), b"o:")
    for seed in range(SEEDS):
        dice = random.Random(seed)
        commands = [command for phase in generator.make(seed).phases for command in phase]
        for place in sorted(dice.choices(range(len(commands) + 1), k=2), reverse=True):
            commands.insert(place, dice.choice([[b"DBSIZE"], [b"SCAN", b"0", b"COUNT", b"100"]]))
        got, client = pipelined(commands, dice)
        assert got == one_by_one(commands), f"seed {seed}: {commands}"
        assert client.in_order
        assert not client.session.extra.order.held
        assert not client.bench.services.locks
