"""The fault proxy does to connections what it was told, and nothing else."""

import asyncio
import contextlib

import pytest

from chaos.fault_proxy import FaultProxy, Faults, ProxyInThread

WAIT_S = 20.0  # a machine with other work


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self.server: asyncio.Server | None = None

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def proxy():
    echo = Echo()
    port = await echo.start()
    proxy = FaultProxy(port)
    await proxy.start()
    yield proxy
    await proxy.stop()
    echo.server.close()


async def client(proxy):
    return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", proxy.port), WAIT_S)


async def exchange(reader, writer, data: bytes) -> bytes:
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), WAIT_S)


async def is_reset(proxy) -> bool:
    """Whether a new connection is reset: while it is made or after."""
    try:
        reader, _ = await client(proxy)
        await asyncio.wait_for(reader.read(), WAIT_S)
    except ConnectionResetError:
        return True
    return False


async def test_without_faults_it_changes_nothing(proxy):
    """Megabytes, both ways; and it counts them."""
    reader, writer = await client(proxy)
    data = bytes(range(256)) * 8192
    assert await exchange(reader, writer, data) == data
    assert (proxy.passed_up, proxy.passed_down) == (len(data), len(data))
    writer.close()
    assert await asyncio.wait_for(reader.read(), WAIT_S) == b""


async def test_delay_and_jitter_keep_the_order(proxy):
    """Each way takes at least the delay; pieces never overtake each other."""
    reader, writer = await client(proxy)
    proxy.up = Faults(delay_s=0.03, jitter_s=0.02, slice_bytes=1)
    proxy.down = Faults(delay_s=0.03)
    began = asyncio.get_running_loop().time()
    assert await exchange(reader, writer, b"0123456789") == b"0123456789"
    assert asyncio.get_running_loop().time() - began >= 0.06


async def test_slices_are_handed_on_one_by_one(proxy, monkeypatch):
    """No piece is larger than the slice, and together they are what was sent."""
    reader, writer = await client(proxy)
    sizes = []
    monkeypatch.setattr(proxy, "_pass", lambda direction, size: sizes.append((direction, size)))
    proxy.down = Faults(slice_bytes=3)
    assert await exchange(reader, writer, b"abcdefgh") == b"abcdefgh"
    assert [size for direction, size in sizes if direction == "down"] == [3, 3, 2]


async def test_a_cut_lets_so_many_bytes_pass(proxy):
    """Exactly n of the direction, counted over the life of the connection; then the end, on both sides."""
    proxy.down = Faults(cut_after=5)
    reader, writer = await client(proxy)
    assert await exchange(reader, writer, b"abc") == b"abc"
    writer.write(b"defghij")
    assert await asyncio.wait_for(reader.read(), WAIT_S) == b"de"
    assert (proxy.passed_up, proxy.passed_down) == (10, 5)


async def test_a_black_hole_holds_and_tells_nobody(proxy):
    """Nothing comes while it lasts, the connection stays open, and afterwards all comes in order."""
    reader, writer = await client(proxy)
    assert await exchange(reader, writer, b"a") == b"a"
    proxy.up = Faults(black_hole=True)
    writer.write(b"b")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    assert proxy.passed_up == 1 and not reader.at_eof()
    proxy.up = Faults()
    assert await exchange(reader, writer, b"c") == b"b"
    assert await asyncio.wait_for(reader.readexactly(1), WAIT_S) == b"c"


async def test_a_reset_is_a_reset(proxy):
    """Not an orderly end: what clients must take for a lost connection."""
    reader, writer = await client(proxy)
    assert await exchange(reader, writer, b"a") == b"a"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), WAIT_S)
    proxy.refusing = True
    assert await is_reset(proxy)
    assert proxy.accepted == 2


async def test_a_stopped_proxy_refuses_and_comes_back_on_its_port(proxy):
    """As a server that is down and is started again."""
    port = proxy.port
    await proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        await client(proxy)
    await proxy.start()
    assert proxy.port == port
    assert await exchange(*await client(proxy), b"again") == b"again"


async def test_a_server_that_is_gone_is_a_reset(proxy):
    """Clients see the connection end at once."""
    proxy._target_port = 1
    assert await is_reset(proxy)


async def test_it_runs_beside_code_that_blocks():
    """In a thread of its own, set from outside."""
    echo = Echo()
    port = await echo.start()

    with ProxyInThread(port) as running:
        connection = await client(running.proxy)
        assert await exchange(*connection, b"a") == b"a"
        running.set(refusing=True)
        assert await is_reset(running.proxy)
        running.set()
        assert await exchange(*connection, b"b") == b"b"
    echo.server.close()
