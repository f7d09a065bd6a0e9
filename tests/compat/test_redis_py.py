"""redis-py as people use it: its defaults, both protocols, sync and asyncio."""

import asyncio

import pytest
import redis
import redis.asyncio
from servers.sidecar_process import SidecarProcess

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])


@pytest.fixture
def client(sidecar: SidecarProcess, protocol: int):
    """A client with its defaults but for the protocol."""
    with redis.Redis(port=sidecar.port, protocol=protocol) as client:
        yield client


@PROTOCOLS
def test_features_are_written_and_read(client: redis.Redis, protocol: int) -> None:
    """Hashes, strings, expiries; binary values come back as they were."""
    key = f"py:{protocol}:user"
    assert client.hset(key, mapping={"tier": "gold", "ctr_7d": "0.031", "raw": b"\xff\x00"}) == 3
    assert client.hmget(key, "tier", "none", "ctr_7d") == [b"gold", None, b"0.031"]
    assert client.hgetall(key) == {b"tier": b"gold", b"ctr_7d": b"0.031", b"raw": b"\xff\x00"}
    assert client.expire(key, 100) is True
    assert 95 <= client.ttl(key) <= 100
    assert client.hexpire(key, 100, "tier") == [1]
    assert client.delete(key) == 1
    assert client.set(key, "v", ex=10, nx=True) is True
    assert client.set(key, "w", nx=True) is None
    assert client.getdel(key) == b"v"


@PROTOCOLS
@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_of_100(client: redis.Redis, protocol: int, transaction: bool) -> None:
    """By default redis-py wraps it into MULTI and EXEC."""
    pipeline = client.pipeline(transaction=transaction)
    for number in range(50):
        pipeline.hset(f"py:{protocol}:{transaction}:{number}", "f", number)
        pipeline.hget(f"py:{protocol}:{transaction}:{number}", "f")
    replies = pipeline.execute()
    assert replies[1::2] == [b"%d" % number for number in range(50)]


@PROTOCOLS
def test_scan_iter_finds_every_key(client: redis.Redis, protocol: int) -> None:
    """Pages of a pool's connections."""
    keys = {b"py:%d:scan:%d" % (protocol, number) for number in range(300)}
    client.mset(dict.fromkeys(keys, "v"))
    assert set(client.scan_iter(match=f"py:{protocol}:scan:*", count=50)) == keys


@PROTOCOLS
def test_unknown_commands_and_errors(client: redis.Redis, protocol: int) -> None:
    """An error of a command leaves the connection usable; in a pipeline it stands in its place."""
    with pytest.raises(redis.ResponseError, match="unknown command 'INCRBY'"):
        client.incr("py:counter")
    pipeline = client.pipeline()
    pipeline.set(f"py:{protocol}:s", "v")
    pipeline.hget(f"py:{protocol}:s", "f")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        pipeline.execute()
    assert client.ping()


@PROTOCOLS
def test_what_a_client_sees_of_the_server(client: redis.Redis, protocol: int) -> None:
    """INFO, CLIENT LIST, CONFIG GET and COMMAND are parsed by redis-py's own parsers."""
    info = client.info()
    assert info["redis_version"] == "7.4.0"
    assert info["loading"] == 0
    assert any(int(each["resp"]) == protocol for each in client.client_list())
    assert client.config_get("save") == {"save": ""}
    assert "hmget" in client.command()
    assert client.dbsize() >= 0
    assert client.slowlog_len() == 0


@PROTOCOLS
async def test_asyncio_clients_share_a_pool(sidecar: SidecarProcess, protocol: int) -> None:
    """50 coroutines, each its own keys."""
    async with redis.asyncio.Redis(port=sidecar.port, protocol=protocol, max_connections=10) as client:

        async def work(number: int) -> bytes:
            await client.hset(f"py:async:{protocol}:{number}", "f", number)
            async with client.pipeline() as pipeline:
                pipeline.hget(f"py:async:{protocol}:{number}", "f")
                pipeline.get("py:async:none")
                return (await pipeline.execute())[0]

        limit = asyncio.Semaphore(10)

        async def limited(number: int) -> bytes:
            async with limit:
                return await work(number)

        replies = await asyncio.gather(*map(limited, range(50)))
    assert replies == [b"%d" % number for number in range(50)]
