"""The command table and all that is made from it."""

from pathlib import Path

import pytest

from protocol import COMMANDS, FAMILIES, command, errors
from protocol._commands import CommandId, find_command_id
from protocol.command_docs import page
from protocol.command_replies import command_reply
from protocol.commands import FIXED_IDS, LAST_FIXED_ID
from protocol.replies import ErrorReply, SetReply, Status
from protocol.unsupported_commands import UNSUPPORTED

SERVED = """
    get mget set setex psetex setnx mset getdel getex strlen hget hmget hgetall hset hmset hsetnx hdel hexists hkeys
    hvals hlen hstrlen hscan hexpire hpexpire hexpireat hpexpireat httl hpttl hexpiretime hpexpiretime hpersist del
    unlink exists type ttl pttl expire pexpire expireat pexpireat expiretime pexpiretime persist touch scan flushall
    flushdb ping echo hello auth select quit reset client command info config dbsize memory slowlog latency multi exec
    discard
"""


def test_every_command_of_the_subset_has_a_row_and_no_other():
    """The design's list and the table are the same set."""
    assert {name.decode() for name in COMMANDS} == set(SERVED.split())


def test_native_lookup_and_table_agree():
    """The hot path finds the same number for each name in any case, and fixed numbers are those it is compiled with."""
    for name, spec in COMMANDS.items():
        assert find_command_id(name) == find_command_id(name.upper()) == find_command_id(name.title()) == spec.id
        assert command(name.upper()) is spec
    ids = [spec.id for spec in COMMANDS.values()]
    assert len(set(ids)) == len(ids)
    named = {each.name.lower().encode(): each.value for each in CommandId}
    assert {name: named[name] for name in FIXED_IDS} == FIXED_IDS
    assert named[b"last_fixed"] == LAST_FIXED_ID
    assert all(spec.id in FIXED_IDS.values() or spec.id > LAST_FIXED_ID for spec in COMMANDS.values())


@pytest.mark.parametrize(
    "name", [b"", b"ge", b"gett", b"get\0", b"GET ", b"\x27et", b"client|id", b"x" * 16, b"hpexpiretime" * 50, b"incr"]
)
def test_unknown_names_are_not_found(name):
    """Near misses, bytes that differ from a letter in one bit, and long names are unknown."""
    assert find_command_id(name) == 0
    assert command(name) is None


def test_families_are_a_small_closed_set():
    """At most 64 metric labels; `other` is number 0; EXPIRE's variants share one."""
    assert len(FAMILIES) == len(set(FAMILIES)) <= 64
    assert FAMILIES[0] == "other"
    assert all(0 < spec.family < len(FAMILIES) for spec in COMMANDS.values())
    assert command(b"pexpireat").family == command(b"expire").family != command(b"ttl").family
    assert FAMILIES[command(b"hmget").family] == "hmget"


@pytest.mark.parametrize(
    ("args", "keys"),
    [
        ([b"GET", b"k"], [b"k"]),
        ([b"MGET", b"a", b"b"], [b"a", b"b"]),
        ([b"MSET", b"a", b"1", b"b", b"2"], [b"a", b"b"]),
        ([b"MSET", b"a", b"1", b"b"], [b"a", b"b"]),
        ([b"HSET", b"k", b"f", b"v"], [b"k"]),
        ([b"MEMORY", b"USAGE", b"k", b"SAMPLES", b"5"], [b"k"]),
        ([b"MEMORY", b"NOPE", b"k"], []),
        ([b"MEMORY"], []),
        ([b"GET"], []),
        ([b"SCAN", b"0"], []),
        ([b"PING", b"x"], []),
    ],
)
def test_keys_of_a_command(args, keys):
    """Keys are found by the row's positions, a container's by its subcommand's; too few arguments give too few keys."""
    assert command(args[0]).keys(args) == keys


def test_writes_and_barriers():
    """What changes data and what waits for all earlier commands, as the ordering layer asks."""
    barriers = {name for name, spec in COMMANDS.items() if spec.is_barrier}
    assert barriers == {b"scan", b"dbsize", b"flushall", b"flushdb", b"exec", b"reset", b"quit"}
    assert [command(name).is_write for name in (b"set", b"hdel", b"getex", b"get", b"touch", b"ping")] == [
        *(True, True, True),
        *(False, False, False),
    ]
    assert {name for name, spec in COMMANDS.items() if not spec.needs_auth} == {b"hello", b"auth", b"quit", b"reset"}


def test_arity():
    """Negative means at least; containers are checked by their subcommand."""
    assert [command(b"get").accepts(count) for count in (1, 2, 3)] == [False, True, False]
    assert [command(b"mget").accepts(count) for count in (1, 2, 30)] == [False, True, True]
    client = command(b"client")
    assert client.subcommand([b"client", b"SetName", b"x"]).name == b"client|setname"
    assert client.subcommand([b"client", b"tracking"]) is None
    assert client.subcommand([b"client"]) is client


def test_command_info():
    """Ten facts as Redis 7.4.1 gives them, null for an unknown name, subcommands by their full name."""
    get, unknown, usage, memory = command_reply([b"COMMAND", b"INFO", b"GeT", b"nope", b"memory|usage", b"memory"])
    assert get == [
        b"get",
        2,
        SetReply([Status(b"readonly"), Status(b"fast")]),
        *(1, 1, 1),
        SetReply([Status(b"@read"), Status(b"@string"), Status(b"@fast")]),
        SetReply([]),
        SetReply(
            [
                {
                    b"flags": SetReply([Status(b"RO"), Status(b"access")]),
                    b"begin_search": {b"type": b"index", b"spec": {b"index": 1}},
                    b"find_keys": {b"type": b"range", b"spec": {b"lastkey": 0, b"keystep": 1, b"limit": 0}},
                }
            ]
        ),
        SetReply([]),
    ]
    assert unknown is None
    assert usage[3:6] == [2, 2, 1]
    assert usage[8].elements[0][b"find_keys"][b"spec"][b"lastkey"] == 0
    assert memory[9] == SetReply([usage])
    assert command_reply([b"COMMAND"]) == command_reply([b"COMMAND", b"INFO"])
    assert len(command_reply([b"COMMAND"])) == command_reply([b"COMMAND", b"COUNT"]) == len(COMMANDS)


def test_command_docs():
    """A map by name; unknown names are left out; containers document their subcommands."""
    docs = command_reply([b"COMMAND", b"DOCS", b"MGET", b"nope", b"client"])
    assert list(docs) == [b"mget", b"client"]
    assert docs[b"mget"][b"group"] == b"string"
    assert docs[b"client"][b"subcommands"][b"client|id"][b"since"] == b"5.0.0"
    assert set(command_reply([b"COMMAND", b"DOCS"])) == set(COMMANDS)


def test_command_list():
    """All names, or those of a category or pattern, subcommands included when filtered."""
    assert command_reply([b"COMMAND", b"LIST"]) == list(COMMANDS)
    by = [b"COMMAND", b"LIST", b"filterby"]
    assert command_reply([*by, b"PATTERN", b"HG*"]) == [b"hget", b"hgetall"]
    assert b"client|kill" in command_reply([*by, b"aclcat", b"Admin"])
    assert command_reply([*by, b"aclcat", b"nope"]) == command_reply([*by, b"module", b"json"]) == []
    assert command_reply([*by, b"nope", b"x"]) == command_reply([*by, b"aclcat"]) == errors.SYNTAX_ERROR


@pytest.mark.parametrize(
    ("args", "reply"),
    [
        ([b"mset", b"a", b"1", b"b", b"2"], [b"a", b"b"]),
        ([b"GET", b"a"], [b"a"]),
        ([b"memory", b"usage", b"k"], [b"k"]),
        ([b"nope"], ErrorReply(b"ERR Invalid command specified")),
        ([b"memory", b"nope", b"k"], ErrorReply(b"ERR Invalid command specified")),
        ([b"PING"], ErrorReply(b"ERR The command has no key arguments")),
        ([b"memory"], ErrorReply(b"ERR The command has no key arguments")),
        ([b"get"], ErrorReply(b"ERR Invalid number of arguments specified for command")),
    ],
)
def test_command_getkeys(args, reply):
    """Keys or Redis's own errors, in Redis's order of checks."""
    assert command_reply([b"COMMAND", b"GETKEYS", *args]) == reply


def test_the_page_is_fresh():
    """docs/commands.md is what the tables give: run `python -m protocol.command_docs > docs/commands.md`."""
    written = Path(__file__).parents[2] / "docs" / "commands.md"
    assert written.read_text() == page()


def test_the_page_names_every_command_once_and_what_is_not_served():
    """Every row stands on the page; nothing that is served is listed as missing."""
    names = {spec.name.decode().upper() for spec in COMMANDS.values()}
    lines = page().splitlines()
    for name in names - {"CLIENT", "CONFIG", "MEMORY", "SLOWLOG", "LATENCY"}:
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1
    for commands, advice in UNSUPPORTED:
        assert f"| {commands} | {advice} |" in lines
        if "·" not in commands:
            assert not set(commands.split()) & names


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([b"nope"], b"ERR unknown command 'nope', with args beginning with: "),
        ([b"No\r\npe", b"a", b""], b"ERR unknown command 'No\r\npe', with args beginning with: 'a' '' "),
        ([b"a\0b", b"c\0d"], b"ERR unknown command 'a', with args beginning with: 'c' "),
        (
            [b"x" * 200, b"y" * 100, b"z" * 100, b"more"],
            b"ERR unknown command '"
            + b"x" * 128
            + b"', with args beginning with: '"
            + b"y" * 100
            + b"' '"
            + b"z" * 25
            + b"' ",
        ),
    ],
)
def test_unknown_command_error(args, text):
    """Name and arguments are cut as Redis cuts them: compared with redis-server 7.4.1 in random requests."""
    assert errors.unknown_command(args) == ErrorReply(text)


def test_unknown_subcommand_error():
    """The container in upper case, the subcommand as it came."""
    reply = errors.unknown_subcommand([b"client", b"Nope"])
    assert reply == ErrorReply(b"ERR unknown subcommand 'Nope'. Try CLIENT HELP.")
