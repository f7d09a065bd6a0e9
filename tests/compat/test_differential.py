"""Random command sequences, equal to a real redis-server: F10."""

import os
from pathlib import Path

import pytest
from compat.differential import Differential, sequences_of
from servers.redis_server import RedisServer
from servers.sidecar_process import SidecarProcess

COUNT = int(os.environ.get("DIFFERENTIAL_SEQUENCES", "100000" if os.environ.get("CI") else "3000"))


def compare(redis: RedisServer, ours: SidecarProcess, count: int, first_seed: int) -> None:
    """Raises at the first difference; its text has the seed and the commands."""
    differential = Differential(redis.connect, ours.connect)
    try:
        assert differential.run(sequences_of(redis.version, count, first_seed)) == count
    finally:
        differential.close()


def test_sequences_are_answered_as_redis_does(redis_server: RedisServer, sidecar: SidecarProcess) -> None:
    """Pipelined and one by one, in RESP2 and RESP3, on the memory origin."""
    compare(redis_server, sidecar, COUNT - COUNT // 20, 1)


def test_sequences_over_sqlite_are_answered_as_redis_does(redis_server: RedisServer, tmp_path: Path) -> None:
    """The same on the durable origin: fewer, for it syncs."""
    ours = SidecarProcess(tmp_path, origin=f"sqlite:///{tmp_path}/features.db")
    try:
        compare(redis_server, ours, COUNT // 20, 1_000_000)
    finally:
        ours.stop()


def test_sequences_without_memory_are_answered_as_redis_does(redis_server: RedisServer, tmp_path: Path) -> None:
    """With `ttl: 0s` every read goes to the origin."""
    policy = "version: 1\ndefaults: {ttl: 0s, stale_while_revalidate: 0s, negative_ttl: 0s}\n"
    ours = SidecarProcess(tmp_path, policy=policy)
    try:
        compare(redis_server, ours, COUNT // 20, 2_000_000)
    finally:
        ours.stop()


def test_a_difference_is_found(redis_server: RedisServer, sidecar: SidecarProcess) -> None:
    """The comparison is not blind: two servers with different data are told apart."""
    differential = Differential(redis_server.connect, sidecar.connect)
    sequences = list(sequences_of(redis_server.version, 25, 1))
    sidecar_client = sidecar.connect()
    for sequence in sequences:
        sidecar_client.sendall(
            b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$5\r\nother\r\n" % (len(sequence.farewell[1]), sequence.farewell[1])
        )
        sidecar_client.recv(100)
    with pytest.raises(AssertionError, match="seed"):
        differential.run(sequences)
    differential.close()
    sidecar_client.close()
