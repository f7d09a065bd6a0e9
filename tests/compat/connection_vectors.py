"""Vectors of commands about connections, and of broken requests."""

from compat.replies import NIL, NOT_INTEGER, OK, SYNTAX, arity, array, bulk, err, num, status
from compat.vector import vector

CONNECTIONS = (
    vector(
        "ping echo",
        ("PING", status("PONG")),
        ("ping hello", bulk("hello")),
        ("PING a b", arity("ping")),
        ("ECHO hi", bulk("hi")),
        (b"*2\r\n$4\r\nECHO\r\n$4\r\n\x00\r\n\xff\r\n", bulk(b"\x00\r\n\xff")),
        ("ECHO", arity("echo")),
    ),
    vector(
        "unknown",
        ("NOPE", err("unknown command 'NOPE', with args beginning with: ")),
        ("nope a b", err("unknown command 'nope', with args beginning with: 'a' 'b' ")),
        (
            b"*2\r\n$4\r\nNOPE\r\n$200\r\n" + b"x" * 200 + b"\r\n",
            err("unknown command 'NOPE', with args beginning with: '" + "x" * 128 + "' "),
        ),
        ("CLIENT NOPE", err("unknown subcommand 'NOPE'. Try CLIENT HELP.")),
        ("config nope x", err("unknown subcommand 'nope'. Try CONFIG HELP.")),
        ("CLIENT", arity("client")),
        ("CLIENT SETNAME", arity("client|setname")),
        ("CONFIG GET", arity("config|get")),
    ),
    vector(
        "hello errors",
        ("HELLO x", err("Protocol version is not an integer or out of range")),
        ("HELLO 4", b"-NOPROTO unsupported protocol version\r\n"),
        ("HELLO 3 FOO", err("Syntax error in HELLO option 'FOO'")),
        ("HELLO 3 AUTH x", err("Syntax error in HELLO option 'AUTH'")),
        ("HELLO 3 AUTH nobody x", b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        ("GET @none", NIL),
    ),
    vector(
        "auth without a password",
        (
            "AUTH x",
            err(
                "AUTH <password> called without any password configured for the default user. "
                "Are you sure your configuration is correct?"
            ),
        ),
        ("AUTH default x", OK),
        ("AUTH nobody x", b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        ("AUTH a b c", SYNTAX),
        ("AUTH", arity("auth")),
    ),
    vector(
        "client names",
        ("CLIENT GETNAME", NIL),
        ("CLIENT SETNAME me", OK),
        ("client getname", bulk("me")),
        (
            b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\na b\r\n",
            err("Client names cannot contain spaces, newlines or special characters."),
        ),
        ("CLIENT NO-EVICT on", OK),
        ("CLIENT NO-EVICT maybe", SYNTAX),
        ("CLIENT KILL ID 0", err("client-id should be greater than 0")),
        ("CLIENT KILL 1.2.3.4:5", err("No such client")),
        ("CLIENT KILL TYPE foo", err("Unknown client type 'foo'")),
        ("CLIENT KILL ID 999999 SKIPME maybe", SYNTAX),
        ("CLIENT LIST TYPE foo", err("Unknown client type 'foo'")),
        ("CLIENT LIST ID x", err("Invalid client ID")),
        ("RESET", status("RESET")),
        ("CLIENT GETNAME", NIL),
    ),
    vector(
        "client setinfo",
        ("CLIENT SETINFO LIB-NAME redis-py", OK),
        ("CLIENT SETINFO lib-ver 8.1.0", OK),
        ("CLIENT SETINFO foo bar", err("Unrecognized option 'foo'")),
        (
            b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$7\r\nLIB-VER\r\n$3\r\na b\r\n",
            err("LIB-VER cannot contain spaces, newlines or special characters."),
        ),
        ("CLIENT SETINFO LIB-NAME", arity("client|setinfo")),
        ("CLIENT NO-TOUCH on", OK),
        ("CLIENT MAINT_NOTIFICATIONS ON", err("unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.")),
        since=(7, 4),
    ),
    vector(
        "select",
        ("SELECT 0", OK),
        ("SELECT 99", err("DB index is out of range")),
        ("SELECT x", NOT_INTEGER),
        since=(7, 4),
    ),
    vector("quit", ("QUIT", OK), (b"", b"")),
    vector(
        "server odds",
        ("SLOWLOG LEN", num(0)),
        ("SLOWLOG GET -2", err("count should be greater than or equal to -1")),
        ("LATENCY LATEST", array()),
        ("DBSIZE x", arity("dbsize")),
        ("FLUSHALL x", SYNTAX),
        ("CONFIG GET save", array(bulk("save"), bulk(""))),
        ("MEMORY USAGE @none", NIL),
        ("MEMORY USAGE @none SAMPLES", SYNTAX),
    ),
)

PROTOCOL = (
    vector(
        "inline",
        (b"PING\r\n", status("PONG")),
        (b'SET @k "a b\\x41"\r\n', OK),
        (b"GET '@k'\n", bulk("a bA")),
        (b"\r\nPING\r\n", status("PONG")),
    ),
    vector("empty multibulk is skipped", (b"*0\r\n*-1\r\nPING\r\n", status("PONG"))),
    vector("inline quotes", (b'SET @k "x\r\n', err("Protocol error: unbalanced quotes in request")), (b"", b"")),
    vector("multibulk length", (b"*x\r\n", err("Protocol error: invalid multibulk length")), (b"", b"")),
    vector("too many arguments", (b"*2147483648\r\n", err("Protocol error: invalid multibulk length")), (b"", b"")),
    vector("bulk length", (b"*1\r\n$x\r\n", err("Protocol error: invalid bulk length")), (b"", b"")),
    vector("negative bulk length", (b"*1\r\n$-1\r\n", err("Protocol error: invalid bulk length")), (b"", b"")),
    vector("no bulk", (b"*1\r\nPING\r\n", err("Protocol error: expected '$', got 'P'")), (b"", b"")),
    vector("an http request", (b"POST / HTTP/1.1\r\n", b"")),
    vector("a host header", (b"Host: 127.0.0.1\r\n", b"")),
)
