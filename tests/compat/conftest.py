"""The two servers that are compared, one of each for the whole run."""

import os
from collections.abc import Iterator

import pytest
from servers.redis_server import RedisMissing, RedisServer
from servers.sidecar_process import SidecarProcess


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real redis-server; skipped where there is none, except in CI."""
    try:
        server = RedisServer(tmp_path_factory.mktemp("redis"))
    except RedisMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    """Our process with the memory origin and the default policy."""
    server = SidecarProcess(tmp_path_factory.mktemp("sidecar"))
    yield server
    assert server.stop() == 0, server.log()
