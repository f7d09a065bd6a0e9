"""Exact replies, from a real redis-server and from us."""

import itertools

import pytest
from compat.vector import Vector
from compat.vectors import VECTORS
from compat.wire import Wire, encode
from servers.redis_server import RedisServer
from servers.server_process import ServerProcess
from servers.sidecar_process import SidecarProcess

_prefixes = itertools.count(1)


def check(server: ServerProcess, vector: Vector) -> None:
    """Hold one conversation and compare every byte."""
    prefix = b"v%d:" % next(_prefixes)
    wire = Wire(server.connect(), vector.resp3)
    try:
        for command, reply in vector.steps:
            if isinstance(command, str):
                wire.send(encode(word.replace(b"@", prefix) for word in command.encode().split()))
            elif b"@" in command and command.startswith(b"*"):
                wire.send(command.replace(b"$2\r\n@k", b"$%d\r\n%bk" % (len(prefix) + 1, prefix)))
            elif command:
                wire.send(command.replace(b"@", prefix))
            assert wire.read_reply() == reply, command
    finally:
        wire.close()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_redis_answers_so(redis_server: RedisServer, vector: Vector) -> None:
    """The vector is what Redis says, not what we think it says."""
    if redis_server.version < vector.since:
        pytest.skip(f"Redis {'.'.join(map(str, vector.since))} answers so, this is {redis_server.version}")
    check(redis_server, vector)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_we_answer_so(sidecar: SidecarProcess, vector: Vector) -> None:
    """The same bytes from our process."""
    check(sidecar, vector)
