"""What clients and tools send first, byte for byte, and the exact replies: captured, or read in their source.

A reply is given as bytes, or as a pattern where it holds a number of the connection's own.
"""

import re
from dataclasses import dataclass

from compat.replies import NULL3, OK, array, bulk, err, map3, num

ID = rb":[1-9][0-9]*\r\n"


@dataclass(frozen=True)
class Batch:
    """Requests that leave together, each with its reply.

    Attributes:
        ours_alone: numbers of the steps that a stand-alone redis-server answers otherwise.
    """

    name: str
    steps: tuple[tuple[bytes, bytes | re.Pattern[bytes]], ...]
    ours_alone: frozenset[int] = frozenset()

    @property
    def request(self) -> bytes:
        """All of it as it arrives."""
        return b"".join(request for request, _ in self.steps)


def words(text: str) -> bytes:
    """A request whose words hold no spaces."""
    return array(*map(bulk, text.split()))


def hello(protocol: int) -> re.Pattern[bytes]:
    """HELLO's facts: clients check the version, the protocol, the role, and that the id is an integer."""
    facts = (bulk("server"), bulk("redis"), bulk("version"), rb"VERSION", bulk("proto"), num(protocol))
    facts += (bulk("id"), b"ID", bulk("mode"), bulk("standalone"), bulk("role"), bulk("master"))
    facts += (bulk("modules"), b"MODULES")
    whole = re.escape((map3 if protocol == 3 else array)(*facts))
    holes = {b"VERSION": rb"\$5\r\n7\.\d\.\d+\r\n", b"ID": ID, b"MODULES": rb"\*\d.*"}
    for hole, pattern in holes.items():
        whole = whole.replace(hole, pattern)
    return re.compile(whole, re.DOTALL)


def verbatim(*lines: str) -> re.Pattern[bytes]:
    """INFO's text on RESP3, with these lines in it."""
    return re.compile(
        rb"=\d+\r\ntxt:" + b"".join(rb"(?=.*\r\n%b\r\n)" % line.encode() for line in lines) + rb".*", re.DOTALL
    )


def text(*lines: str) -> re.Pattern[bytes]:
    """INFO's text on RESP2, with these lines in it."""
    return re.compile(
        rb"\$\d+\r\n#" + b"".join(rb"(?=.*\r\n%b\r\n)" % line.encode() for line in lines) + rb".*", re.DOTALL
    )


def unknown(name: str, *args: str) -> bytes:
    """Redis's words for a command that it does not know."""
    return err(f"unknown command '{name}', with args beginning with: " + "".join(f"'{each}' " for each in args))


GUID = (
    b"\xf0\x0d\x00\xff\r\n*2\r\n$\x80\xc3\x28\n\r"  # what StackExchange echoes: any 16 bytes, these look like a request
)
NO_SUBCOMMAND = err("unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.")  # OK would promise pushes

STACK_EXCHANGE = Batch(
    "StackExchange.Redis 3, RESP3",
    (
        (b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", hello(3)),
        (b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$5\r\npod-7\r\n", OK),
        (b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nlib-name\r\n$8\r\nSE.Redis\r\n", OK),
        (b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$7\r\nlib-ver\r\n$5\r\n3.0.2\r\n", OK),
        (b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n", re.compile(ID)),
        (b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$7\r\ntimeout\r\n", map3(bulk("timeout"), bulk("0"))),
        (
            b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$17\r\nreplica-read-only\r\n",
            map3(bulk("replica-read-only"), bulk("yes")),
        ),
        (b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\ndatabases\r\n", map3(bulk("databases"), bulk("1"))),
        (b"*2\r\n$8\r\nSENTINEL\r\n$7\r\nMASTERS\r\n", unknown("SENTINEL", "MASTERS")),
        (b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n", verbatim("role:master")),
        (b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n", verbatim(r"redis_version:7\.4\.\d", "redis_mode:standalone")),
        (b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n", unknown("CLUSTER", "NODES")),
        (b"*2\r\n$3\r\nGET\r\n$21\r\n__Booksleeve_TieBreak\r\n", NULL3),
        (b"*2\r\n$4\r\nECHO\r\n$16\r\n" + GUID + b"\r\n", bulk(GUID)),
    ),
    ours_alone=frozenset({7, 11}),  # 16 databases; it knows CLUSTER and says that it is off
)

# On RESP2 a second connection for subscriptions: what fails there must not cost it the ECHO.
STACK_EXCHANGE_SUBSCRIPTIONS = Batch(
    "StackExchange.Redis, RESP2, subscriptions",
    (
        (b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$5\r\npod-7\r\n", OK),
        (b"*2\r\n$4\r\nECHO\r\n$16\r\n" + GUID + b"\r\n", bulk(GUID)),
        (
            b"*2\r\n$9\r\nSUBSCRIBE\r\n$26\r\n__Booksleeve_MasterChanged\r\n",
            unknown("SUBSCRIBE", "__Booksleeve_MasterChanged"),
        ),
    ),
    ours_alone=frozenset({2}),
)

REDIS_PY_8 = Batch(
    "redis-py 8",
    (
        (words("HELLO 3"), hello(3)),
        (words("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip"), NO_SUBCOMMAND),
        (words("CLIENT SETNAME model"), OK),
        (words("CLIENT SETINFO LIB-NAME redis-py"), OK),
        (words("CLIENT SETINFO LIB-VER 8.1.0"), OK),
    ),
)
REDIS_PY_7 = Batch(
    "redis-py 7",
    ((words("CLIENT SETINFO LIB-NAME redis-py"), OK), (words("CLIENT SETINFO LIB-VER 7.4.1"), OK)),
)
NODE_REDIS = Batch(
    "node-redis 6",
    (
        (words("HELLO 3"), hello(3)),
        (words("CLIENT SETINFO LIB-VER 6.3.1"), OK),
        (words("CLIENT SETINFO LIB-NAME node-redis"), OK),
        (words("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip"), NO_SUBCOMMAND),
    ),
)
IOREDIS = Batch(
    "ioredis 6, lower case",
    (
        (words("hello 3"), hello(3)),
        (words("client SETINFO LIB-VER 6.0.0"), OK),
        (words("client SETINFO LIB-NAME ioredis"), OK),
        (words("info"), verbatim("loading:0")),
    ),
)
VALKEY_GLIDE = Batch(
    "valkey-glide 2.6",
    (
        (words("HELLO 3"), hello(3)),
        (words("CLIENT SETINFO LIB-NAME GlidePy"), OK),
        (words("CLIENT SETINFO LIB-VER 2.6.0"), OK),
        (words("INFO REPLICATION"), verbatim("role:master")),
    ),
)
GO_REDIS = Batch(
    "go-redis 9",
    (
        (words("HELLO 3 SETNAME model"), hello(3)),
        (words("SELECT 0"), OK),
        (words("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip"), NO_SUBCOMMAND),
        (words("CLIENT SETINFO LIB-NAME go-redis(,go1.26)"), OK),
        (words("CLIENT SETINFO LIB-VER 9.22.0"), OK),
    ),
)
LETTUCE = Batch(
    "lettuce 7, jedis 8",
    (
        (words("HELLO 3"), hello(3)),
        (words("SELECT 0"), OK),
        (words("CLIENT SETINFO lib-name Lettuce"), OK),
        (words("CLIENT SETINFO lib-ver 7.7.0"), OK),
        (words("CLIENT MAINT_NOTIFICATIONS ON"), NO_SUBCOMMAND),
    ),
)
RUEIDIS = Batch(
    "rueidis, which needs DisableCache",
    (
        (words("HELLO 3"), hello(3)),
        (words("CLIENT TRACKING ON OPTIN"), err("unknown subcommand 'TRACKING'. Try CLIENT HELP.")),
        (words("CLIENT SETINFO LIB-NAME rueidis"), OK),
    ),
    ours_alone=frozenset({1}),
)
REDIS_EXPORTER = Batch(
    "redis_exporter",
    (
        (words("CLIENT SETNAME redis_exporter"), OK),
        (
            words("CONFIG GET *"),
            re.compile(
                rb"\*\d+\r\n(?=.*\$9\r\nmaxmemory\r\n\$\d+\r\n\d+\r\n)(?=.*\$10\r\nmaxclients\r\n).*", re.DOTALL
            ),
        ),
        (
            words("INFO ALL"),
            text(
                "redis_version:7.*",
                r"connected_clients:\d+",
                r"total_connections_received:[1-9]\d*",
                r"total_commands_processed:\d+",
                r"used_memory:\d+",
                r"maxmemory:\d+",
                r"keyspace_hits:\d+",
                r"keyspace_misses:\d+",
                r"evicted_keys:\d+",
                r"expired_keys:\d+",
                "role:master",
                r"db0:keys=\d+,expires=\d+,avg_ttl=\d+.*",
            ),
        ),
        (words("LATENCY LATEST"), array()),
        (words("LATENCY HISTOGRAM"), array()),
        (words("SLOWLOG LEN"), num(0)),
        (words("SLOWLOG GET 1"), array()),
    ),
    ours_alone=frozenset({4, 5, 6}),  # Redis has commands to show
)
REDIS_BENCHMARK = Batch(
    "redis-benchmark",
    (
        (words("CONFIG GET save"), array(bulk("save"), bulk(""))),
        (words("CONFIG GET appendonly"), array(bulk("appendonly"), bulk("no"))),
    ),
)

BATCHES = (
    STACK_EXCHANGE,
    STACK_EXCHANGE_SUBSCRIPTIONS,
    REDIS_PY_8,
    REDIS_PY_7,
    NODE_REDIS,
    IOREDIS,
    VALKEY_GLIDE,
    GO_REDIS,
    LETTUCE,
    RUEIDIS,
    REDIS_EXPORTER,
    REDIS_BENCHMARK,
)
