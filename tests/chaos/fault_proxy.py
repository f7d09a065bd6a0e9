"""A TCP proxy that is told, while it runs, how to spoil what passes through it.

Bytes of one direction always keep their order and are never changed or lost while a connection lives, as with TCP
itself: a black hole holds them back until it is over, a cut ends the connection.
"""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from threading import Thread
from typing import Any, Self, TypeVar

Result = TypeVar("Result")
CHUNK = 65536
PIECES_HELD = 64  # per direction; then the sender feels the delay as a full window
STEP_S = 0.01  # how often a held connection looks whether the black hole is over


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to one direction; by default nothing.

    Attributes:
        delay_s: each piece arrives so much later.
        jitter_s: and up to so much more, at random; the order stays.
        slice_bytes: pieces are cut to at most so many bytes, each its own segment.
        cut_after: the connection ends once so many bytes of this direction have passed since it was opened.
        black_hole: nothing passes, and nobody is told.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    slice_bytes: int | None = None
    cut_after: int | None = None
    black_hole: bool = False


NO_FAULTS = Faults()


class FaultProxy:
    """One listener in front of one server; everything runs on the loop that started it.

    Attributes:
        up, down: faults of what clients send, and of what the server answers; set at any time.
        refusing: new connections are reset.
        port: where it listens.
        accepted: connections so far.
        passed_up, passed_down: bytes handed on.
    """

    def __init__(self, target_port: int, seed: int = 0) -> None:
        self.up = self.down = NO_FAULTS
        self.refusing = False
        self.port = 0
        self.accepted = self.passed_up = self.passed_down = 0
        self._target_port = target_port
        self._rng = Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    async def start(self) -> None:
        """Listen on a free port of loopback; after ``stop`` on the same one again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections as a closed port does, and reset those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        """Reset every connection, at both ends."""
        for link in list(self._links):
            link.end(reset=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            _close(writer, reset=True)
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _close(writer, reset=True)
            return
        link = _Link(self, (reader, writer), server)
        self._links.add(link)
        await link.run()
        self._links.discard(link)

    def _pass(self, direction: str, size: int) -> None:
        if direction == "up":
            self.passed_up += size
        else:
            self.passed_down += size

    def _late_s(self, faults: Faults) -> float:
        return faults.delay_s + self._rng.random() * faults.jitter_s


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One client's connection and the one behind it."""

    def __init__(self, proxy: FaultProxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until one side closes or a fault ends it."""
        tasks = [
            asyncio.create_task(self._direct("up", self._client[0], self._server[1])),
            asyncio.create_task(self._direct("down", self._server[0], self._client[1])),
        ]
        await self._ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def end(self, reset: bool = False) -> None:
        """Close both sides."""
        self._ended.set()
        for _, writer in (self._client, self._server):
            _close(writer, reset)

    async def _direct(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read and hand on, at the times that the faults say."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_HELD)
        handing = asyncio.create_task(self._hand_on(direction, pieces, writer))
        loop = asyncio.get_running_loop()
        due_s = 0.0
        try:
            while data := await reader.read(CHUNK):
                faults: Faults = getattr(self._proxy, direction)
                size = faults.slice_bytes or len(data)
                for at in range(0, len(data), size):
                    due_s = max(due_s, loop.time() + self._proxy._late_s(faults))
                    await pieces.put((due_s, data[at : at + size]))
            await pieces.put((due_s, b""))
            await handing
        except ConnectionError:
            self.end(reset=True)
        finally:
            handing.cancel()

    async def _hand_on(
        self, direction: str, pieces: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        passed = 0
        while True:
            due_s, data = await pieces.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            while getattr(self._proxy, direction).black_hole:
                await asyncio.sleep(STEP_S)
            cut_after = getattr(self._proxy, direction).cut_after
            cut = cut_after is not None and passed + len(data) >= cut_after
            if cut:
                data = data[: max(0, cut_after - passed)]
            passed += len(data)
            self._proxy._pass(direction, len(data))
            try:
                writer.write(data)
                await writer.drain()
            except ConnectionError:
                self.end(reset=True)
                return
            if cut or not data:
                self.end()
                return


def _close(writer: asyncio.StreamWriter, reset: bool) -> None:
    with suppress(OSError):
        if reset:
            client: socket.socket = writer.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.close()


class ProxyInThread:
    """A FaultProxy on a loop of its own, for tests and measurements that block; ``with`` ends it."""

    def __init__(self, target_port: int, seed: int = 0) -> None:
        self.proxy = FaultProxy(target_port, seed)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self.proxy.start())
        return self

    def __exit__(self, *exc: object) -> None:
        self._do(self.proxy.stop())
        self._do(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, up: Faults = NO_FAULTS, down: Faults = NO_FAULTS, refusing: bool = False) -> None:
        """From now on, on every connection."""
        self.proxy.up, self.proxy.down, self.proxy.refusing = up, down, refusing

    def reset(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self.proxy.reset)

    def stop(self) -> None:
        """The port is closed."""
        self._do(self.proxy.stop())

    def start(self) -> None:
        """The port is open again."""
        self._do(self.proxy.start())

    def _do(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


async def _settle() -> None:
    """Let what was ended come to its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)
