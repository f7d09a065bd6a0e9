"""What clients and tools send first, as captured on the wire: one reply a command, and what must succeed does."""

import pytest
from compat.equivalence import parse
from compat.wire import Wire, encode
from servers.sidecar_process import SidecarProcess

TIE_BREAK = bytes(range(0xF0, 0x100))  # 16 binary bytes: StackExchange compares them with what comes back


def ask(sidecar: SidecarProcess, *commands: str | list[bytes]) -> list[bytes]:
    """One batch, one reply each."""
    wire = Wire(sidecar.connect())
    try:
        replies = wire.exchange([each.encode().split() if isinstance(each, str) else each for each in commands])
    finally:
        wire.close()
    assert len(replies) == len(commands)
    return replies


def test_stack_exchange(sidecar: SidecarProcess) -> None:
    """Only the ECHO must succeed, byte for byte; everything gets its own reply."""
    replies = ask(
        sidecar,
        "HELLO 3",
        "CLIENT SETNAME host",
        "CLIENT SETINFO lib-name SE.Redis",
        "CLIENT SETINFO lib-ver 3.0",
        "CLIENT ID",
        "CONFIG GET timeout",
        "CONFIG GET slave-read-only",
        "CONFIG GET databases",
        "SENTINEL MASTERS",
        "INFO replication",
        "INFO server",
        "CLUSTER NODES",
        "GET __Booksleeve_TieBreak",
        [b"ECHO", TIE_BREAK],
    )
    assert replies[-1] == b"$16\r\n" + TIE_BREAK + b"\r\n"
    assert replies[8].startswith(b"-ERR unknown command 'SENTINEL'")
    assert replies[11].startswith(b"-ERR unknown command 'CLUSTER'")
    assert replies[12] == b"_\r\n"
    assert parse(replies[7]) == {b"databases": b"1"}


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(
            ("HELLO 3", "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none", "CLIENT SETNAME a",
             "CLIENT SETINFO LIB-NAME redis-py", "CLIENT SETINFO LIB-VER 8.1.0"), id="redis-py 8"
        ),
        pytest.param(("CLIENT SETINFO LIB-NAME redis-py", "CLIENT SETINFO LIB-VER 7.4.0"), id="redis-py 7"),
        pytest.param(("hello 3", "client SETINFO LIB-NAME ioredis", "info"), id="ioredis"),
        pytest.param(("HELLO 3", "CLIENT SETINFO LIB-NAME glide", "CLIENT SETINFO LIB-VER 2.6", "INFO REPLICATION"),
                     id="valkey-glide"),
        pytest.param(("HELLO 3 SETNAME n", "SELECT 0", "CLIENT SETINFO LIB-NAME go-redis(,go1.24)",
                      "CLIENT SETINFO LIB-VER 9.22.0"), id="go-redis"),
        pytest.param(("HELLO 3", "SELECT 0", "CLIENT SETINFO lib-name Lettuce"), id="lettuce"),
    ],
)  # fmt: skip
def test_connects(sidecar: SidecarProcess, commands: tuple[str, ...]) -> None:
    """All succeed but maintenance notifications, whose error clients ignore: OK would promise pushes."""
    for command, reply in zip(commands, ask(sidecar, *commands), strict=True):
        if "MAINT_NOTIFICATIONS" in command:
            assert reply.startswith(b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'")
        else:
            assert not reply.startswith(b"-"), command
        if command.lower().startswith("hello"):
            facts = parse(reply)
            assert (facts[b"version"], facts[b"proto"], facts[b"role"]) == (b"7.4.0", 3, b"master")
            assert isinstance(facts[b"id"], int)
        if command == "info":
            assert b"\r\nloading:0\r\n" in reply


def test_redis_exporter(sidecar: SidecarProcess) -> None:
    """INFO ALL with a db0 line, CONFIG GET *; the rest may fail and does not."""
    ask(sidecar, "SET exporter:key v")
    info, config, slowlog, last, latency, histogram = ask(
        sidecar, "INFO ALL", "CONFIG GET *", "SLOWLOG LEN", "SLOWLOG GET 1", "LATENCY LATEST", "LATENCY HISTOGRAM"
    )
    lines = parse(info).decode().splitlines()
    assert any(line.startswith("db0:keys=") for line in lines)
    for name in ("keyspace_hits", "keyspace_misses", "used_memory", "maxmemory", "evicted_keys", "expired_keys"):
        assert any(line.startswith(f"{name}:") for line in lines)
    assert b"maxmemory" in parse(config)
    assert (slowlog, last, latency, histogram) == (b":0\r\n", b"*0\r\n", b"*0\r\n", b"*0\r\n")


def test_redis_benchmark_and_redis_cli(sidecar: SidecarProcess) -> None:
    """CONFIG GET save and appendonly; COMMAND DOCS; --bigkeys' commands."""
    ask(sidecar, "HSET cli:h f v", "SET cli:s v")
    save, appendonly, docs, *sizes = ask(
        sidecar,
        "CONFIG GET save",
        "CONFIG GET appendonly",
        "COMMAND DOCS",
        "TYPE cli:h",
        "HLEN cli:h",
        "STRLEN cli:s",
        "MEMORY USAGE cli:s",
        "DBSIZE",
    )
    assert (parse(save), parse(appendonly)) == ([b"save", b""], [b"appendonly", b"no"])
    assert b"hmget" in parse(docs)[::2]
    assert sizes[:3] == [b"+hash\r\n", b":1\r\n", b":1\r\n"]
    assert all(int(size[1:]) > 0 for size in sizes[3:])


def test_one_port_serves_both_protocols_and_each_reply_is_whole(sidecar: SidecarProcess) -> None:
    """A RESP2 and a RESP3 client at once; commands cut into single bytes."""
    old, new = Wire(sidecar.connect()), Wire(sidecar.connect(), resp3=True)
    try:
        for byte in encode([b"HSET", b"both:h", b"f", b"v"]):
            old.send(bytes([byte]))
        assert old.read_reply() == b":1\r\n"
        assert old.one(b"HGETALL", b"both:h") == b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
        assert new.one(b"HGETALL", b"both:h") == b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n"
    finally:
        old.close()
        new.close()
