"""F4: one origin read per missing entry, whatever the crowd."""

import resource
import selectors
import socket
import time
from pathlib import Path

from compat.wire import encode

from chaos.faulty_sidecar import FaultySidecar
from chaos.section import Section, Verdict

POLICY = "version: 1\ndefaults: {ttl: 1h, deadline: 20s, write_deadline: 20s}\n"
REPLY = b"$5\r\nvalue\r\n"


def measure(folder: Path, quick: bool) -> Section:
    """A crowd asks for one key that is not in memory, while its read takes seconds."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd = min(1_000 if quick else 10_000, most - 200)
    sidecar = FaultySidecar(folder, "--max-clients", str(crowd + 100), origin="memory://", policy=POLICY)
    try:
        first = sidecar.connect()
        first.sendall(encode([b"SET", b"k", b"value"]))
        assert first.recv(100) == b"+OK\r\n"
        sidecar.invalidate(b"k")
        clients = [socket.create_connection(("127.0.0.1", sidecar.port), 20) for _ in range(crowd)]
        sidecar.faults("latency=3s")
        before = sidecar.calls()["reads"]
        for client in clients:
            client.sendall(encode([b"GET", b"k"]))
        leaving = clients[::10]
        for client in leaving:
            client.close()  # some do not wait for their answers
        staying = [client for number, client in enumerate(clients) if number % 10]
        answered = _read_all(staying, len(REPLY))
        reads = sidecar.calls()["reads"] - before
    finally:
        sidecar.stop()
    lost = len(staying) - answered
    return Section(
        "A crowd asks for one missing key (F4)",
        f"{crowd:,} connections ask GET for one key whose read takes three seconds; a tenth of them leave at once.",
        [
            Verdict(f"{crowd:,} concurrent misses of one key", "1 read", f"{reads} read", reads == 1),
            Verdict("no waiter is forgotten", "0 lost", f"{lost} lost", lost == 0),
        ],
    )


def _read_all(clients: list[socket.socket], size: int) -> int:
    """Read until every client has so many bytes; how many whole replies came in all, each checked."""
    got = {client: b"" for client in clients}
    until = time.monotonic() + 30
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < until:
            for key, _ in selector.select(1):
                client: socket.socket = key.fileobj  # type: ignore[assignment]
                received = client.recv(1 << 18)
                got[client] += received
                if not received or len(got[client]) >= size:
                    selector.unregister(client)
    return sum(data.count(REPLY) for data in got.values())
