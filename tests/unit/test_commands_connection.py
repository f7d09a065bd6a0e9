"""Commands about connections and the server."""

import asyncio

import pytest
from command_client import Bench

from protocol import COMMANDS, FAMILIES
from sidecar.commands.entries import find_entries


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_every_command_of_the_table_has_a_handler():
    """And no other: the table is what COMMAND and the docs are made of."""
    entries = find_entries({b"exec": lambda *_: None})
    assert {name.lower() for name in entries} == set(COMMANDS)
    for name, spec in COMMANDS.items():
        assert set(entries[name].subcommands or {}) == set(spec.subcommands)


def test_ping_echo_quit(bench):
    """PONG or the message; QUIT answers and closes."""
    client = bench.client()
    assert client.line("ping") == b"+PONG\r\n"
    assert client.line("PiNg hi") == b"$2\r\nhi\r\n"
    assert client.line("PING a b") == b"-ERR wrong number of arguments for 'ping' command\r\n"
    assert client.send(b"ECHO", bytes(range(16))) == b"$16\r\n" + bytes(range(16)) + b"\r\n"
    assert not client.session.closing
    assert client.line("QUIT") == b"+OK\r\n"
    assert client.session.closing


def test_hello(bench):
    """Facts that clients read, a name, and the version from the reply on."""
    client = bench.client()
    reply = client.line("HELLO 3 SETNAME me")
    assert reply.startswith(
        b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:3\r\n"
    )
    assert b"$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n" in reply
    assert client.line("CLIENT GETNAME") == b"$2\r\nme\r\n"
    assert client.line("HELLO").startswith(b"%7")
    assert client.line("HELLO 2").startswith(b"*14\r\n")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("HELLO x", b"ERR Protocol version is not an integer or out of range"),
        ("HELLO 4", b"NOPROTO unsupported protocol version"),
        ("HELLO 3 FOO", b"ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 3 AUTH a", b"ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 SETNAME \x01", b"ERR Client names cannot contain spaces, newlines or special characters."),
        ("HELLO 3 AUTH nobody x", b"WRONGPASS invalid username-password pair or user is disabled."),
    ],
)
def test_hello_refuses_and_changes_nothing(bench, command, error):
    """The connection stays at RESP2 and unnamed."""
    client = bench.client()
    assert client.line(command) == b"-" + error + b"\r\n"
    assert (client.session.proto, client.session.name) == (2, b"")


def test_auth_without_a_password_set(bench):
    """As Redis with its default user without password."""
    client = bench.client()
    assert client.line("AUTH x").startswith(b"-ERR AUTH <password> called without any password configured")
    assert client.line("AUTH default x") == b"+OK\r\n"
    assert client.line("AUTH nobody x").startswith(b"-WRONGPASS")
    assert client.line("AUTH a b c") == b"-ERR syntax error\r\n"


def test_auth_with_a_password(bench):
    """Only AUTH, HELLO, QUIT and RESET before it; unknown commands and arity come first, as in Redis."""
    bench.secret = b"hunter2"
    client = bench.client()
    assert client.line("GET k") == b"-NOAUTH Authentication required.\r\n"
    assert client.line("PING") == b"-NOAUTH Authentication required.\r\n"
    assert client.line("GET") == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert client.line("NOPE").startswith(b"-ERR unknown command")
    assert client.line("MULTI") == b"-NOAUTH Authentication required.\r\n"
    assert client.line("HELLO 3").startswith(b"-NOAUTH HELLO must be called with the client already authenticated")
    assert client.session.proto == 2
    assert client.line("AUTH wrong") == b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    assert client.line("PING") == b"-NOAUTH Authentication required.\r\n"
    assert client.line("HELLO 3 AUTH default hunter2").startswith(b"%7")
    assert client.line("PING") == b"+PONG\r\n"
    assert client.line("RESET") == b"+RESET\r\n"
    assert client.line("PING") == b"-NOAUTH Authentication required.\r\n"
    assert client.line("AUTH hunter2") == b"+OK\r\n"
    bench.secret = b"rotated"
    assert client.line("PING") == b"+PONG\r\n"  # who is in stays in
    assert bench.client().line("AUTH rotated") == b"+OK\r\n"


def test_select(bench):
    """There is database 0."""
    client = bench.client()
    assert client.line("SELECT 0") == b"+OK\r\n"
    assert client.line("SELECT 1") == b"-ERR DB index is out of range\r\n"
    assert client.line("SELECT x") == b"-ERR value is not an integer or out of range\r\n"
    assert client.line("SELECT 4294967296") == b"-ERR value is not an integer or out of range\r\n"


def test_client_names_and_infos(bench):
    """What libraries send on connect."""
    client = bench.client()
    assert client.line("CLIENT ID") == b":1\r\n"
    assert client.line("CLIENT GETNAME") == b"$-1\r\n"
    assert client.line("CLIENT SETNAME me") == b"+OK\r\n"
    assert client.send(b"CLIENT", b"SETNAME", b"a b").startswith(b"-ERR Client names cannot contain spaces")
    assert client.line("CLIENT SETINFO LIB-NAME redis-py") == b"+OK\r\n"
    assert client.line("CLIENT SETINFO lib-ver 8.1") == b"+OK\r\n"
    assert client.line("CLIENT SETINFO foo bar") == b"-ERR Unrecognized option 'foo'\r\n"
    assert client.send(b"CLIENT", b"SETINFO", b"LIB-VER", b"a b") == (
        b"-ERR LIB-VER cannot contain spaces, newlines or special characters.\r\n"
    )
    assert client.line("CLIENT MAINT_NOTIFICATIONS ON") == (
        b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"
    )
    assert client.line("CLIENT TRACKING ON").startswith(b"-ERR unknown subcommand 'TRACKING'")
    assert client.line("CLIENT SETNAME") == b"-ERR wrong number of arguments for 'client|setname' command\r\n"
    assert client.line("CLIENT") == b"-ERR wrong number of arguments for 'client' command\r\n"
    assert client.line("CLIENT NO-EVICT ON") == client.line("CLIENT NO-TOUCH on") == b"+OK\r\n"
    assert client.line("CLIENT NO-TOUCH maybe") == b"-ERR syntax error\r\n"
    line = client.line("CLIENT INFO")
    for part in (b"id=1 ", b"name=me ", b"flags=eT ", b"lib-name=redis-py ", b"lib-ver=8.1\n", b"resp=2 ", b"omem=20 "):
        assert part in line


def test_client_list_and_kill(bench):
    """Filters choose; who kills itself still reads its reply."""
    one, two, three = bench.client(), bench.client(), bench.client()
    assert one.line("CLIENT LIST").count(b" addr=127.0.0.1:") == 3
    assert one.line("CLIENT LIST ID 2 3").count(b" addr=") == 2
    assert one.line("CLIENT LIST TYPE normal").count(b" addr=") == 3
    assert one.line("CLIENT LIST TYPE pubsub") == b"$0\r\n\r\n"
    assert one.line("CLIENT LIST TYPE foo") == b"-ERR Unknown client type 'foo'\r\n"
    assert one.line("CLIENT LIST ID x") == b"-ERR Invalid client ID\r\n"
    assert one.line("CLIENT LIST foo") == b"-ERR syntax error\r\n"
    assert one.line("CLIENT KILL ID 2") == b":1\r\n"
    assert (one.aborted, two.aborted, three.aborted) == (False, True, False)
    assert one.line("CLIENT KILL 127.0.0.1:50003") == b"+OK\r\n"
    assert three.aborted
    assert one.line("CLIENT KILL 1.2.3.4:5") == b"-ERR No such client\r\n"
    assert one.line("CLIENT KILL ID 0") == b"-ERR client-id should be greater than 0\r\n"
    assert one.line("CLIENT KILL ID 1 SKIPME") == b"-ERR syntax error\r\n"
    assert one.line("CLIENT KILL TYPE foo") == b"-ERR Unknown client type 'foo'\r\n"
    assert one.line("CLIENT KILL USER nobody") == b"-ERR No such user 'nobody'\r\n"
    assert one.line("CLIENT KILL ID 1") == b":0\r\n"
    assert not one.session.closing
    assert one.line("CLIENT KILL ID 1 SKIPME no") == b":1\r\n"
    assert one.session.closing
    assert not one.aborted


def test_a_long_client_list_is_made_in_steps(bench):
    """Others are served between them; who leaves meanwhile is not listed, and the order is that of the ids."""
    clients = [bench.client() for _ in range(300)]
    bench.clients.reverse()
    one, two, last = clients[0], clients[1], clients[-1]
    assert one.line("CLIENT LIST TYPE normal") == b""
    steps = 0
    while not (listed := one.output()):
        steps += 1
        assert steps < 1000 and two.line("PING") == b"+PONG\r\n"
        if steps == 1:
            bench.clients.remove(clients[20])
        bench.loop.run_until_complete(asyncio.sleep(0))
    assert steps >= 4
    ids = [int(line.split(b" ", 1)[0][3:]) for line in listed.split(b"\r\n", 1)[1].splitlines() if line]
    assert ids == [number for number in range(1, 301) if number != 21]
    assert last.ask("CLIENT LIST ID 300 2").count(b" addr=") == 2


def test_info_has_what_dashboards_and_clients_read(bench):
    """ioredis waits for loading:0, exporters read db0 and the keyspace figures."""
    client = bench.client()
    text = client.line("INFO")
    for line in (
        b"redis_version:7.4.0", b"loading:0", b"keyspace_hits:7", b"keyspace_misses:4", b"used_memory:1000",
        b"maxmemory:1048576", b"evicted_keys:7", b"expired_keys:6", b"connected_clients:1", b"role:master",
        b"db0:keys=7,expires=0,avg_ttl=0,subexpiry=0",
    ):  # fmt: skip
        assert b"\r\n" + line + b"\r\n" in text
    assert client.line("INFO ALL").count(b"# ") == text.count(b"# ") == 9
    assert client.line("info replication") == (
        b"$70\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n\r\n"
    )
    assert client.line("INFO foo") == b"$0\r\n\r\n"
    client.line("HELLO 3")
    assert client.line("INFO cluster") == b"=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_config_get(bench):
    """Globs in any case; redis-benchmark asks for save and appendonly."""
    client = bench.client()
    assert client.line("CONFIG GET SAVE") == b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"
    assert client.line("CONFIG GET appendonly maxmem?ry") == (
        b"*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$9\r\nmaxmemory\r\n$7\r\n1048576\r\n"
    )
    assert client.line("CONFIG GET nothing") == b"*0\r\n"
    assert client.line("CONFIG SET maxmemory 1") == b"-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n"


def test_flush_obeys_the_policy(bench):
    """Refused by default; with `flush: memory` only the memory tier is emptied."""
    client = bench.client()
    bench.set(b"k", b"v")
    assert client.ask("FLUSHALL").startswith(b"-ERR FLUSHALL and FLUSHDB are refused by the policy")
    assert bench.reads.flushed == 0
    bench.policy.current.flush = "memory"
    assert client.ask("FLUSHALL ASYNC") == client.ask("FLUSHDB") == b"+OK\r\n"
    assert bench.reads.flushed == 2
    assert client.ask("FLUSHALL NOW") == client.ask("FLUSHALL ASYNC SYNC") == b"-ERR syntax error\r\n"
    assert client.ask("GET k") == b"$1\r\nv\r\n"


def test_what_exporters_ask(bench):
    """Empty, but answered."""
    client = bench.client()
    bench.reads.memory[b"k"] = object()
    assert client.line("SLOWLOG LEN") == b":0\r\n"
    assert client.line("SLOWLOG GET 1") == b"*0\r\n"
    assert client.line("SLOWLOG GET -2") == b"-ERR count should be greater than or equal to -1\r\n"
    assert client.line("SLOWLOG RESET") == b"+OK\r\n"
    assert client.line("LATENCY LATEST") == client.line("LATENCY HISTOGRAM") == b"*0\r\n"
    assert client.line("LATENCY DOCTOR") == b"-ERR unknown subcommand 'DOCTOR'. Try LATENCY HELP.\r\n"
    assert client.line("MEMORY USAGE k") == b":64\r\n"
    assert client.line("MEMORY USAGE none SAMPLES 0") == b"$-1\r\n"
    assert client.line("MEMORY USAGE k SAMPLES") == b"-ERR syntax error\r\n"
    assert client.line("COMMAND COUNT") == b":%d\r\n" % len(COMMANDS)
    assert client.line("COMMAND GETKEYS MSET a 1 b 2") == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"


def test_commands_are_counted_by_family(bench):
    """Those of a transaction when they run, unknown ones as other."""
    client = bench.client()
    for command in ("GET k", "MULTI", "GET k", "GET j", "EXEC", "NOPE", "GET"):
        client.ask(command)
    counted = {FAMILIES[number]: n for number, n in bench.counters.commands.items()}
    assert counted == {"get": 4, "multi": 1, "exec": 1, "other": 1}
