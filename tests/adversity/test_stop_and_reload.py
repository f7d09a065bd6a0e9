"""Stopping and reloading while clients work (F11)."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from adversity.load import KEYS, LoadClient, exchange, fill, run, run_until_closed
from compat.wire import Wire, encode

CLIENTS = 8
RELOADS = int(os.environ.get("RELOADS", "100"))
STOP_S = 2.0
POLICY = "version: 1\ndefaults: {{ttl: {ttl}, deadline: 20s, write_deadline: 20s}}\n"
LARGE = b"x" * 5_000_000


def test_sigterm_under_load_cuts_no_reply_short(start):
    """Every client gets whole, right replies and then the end of its stream; the process exits with 0 within 2 s.

    What it acknowledged is in the file.
    """
    origin = "sqlite:///./features.db"
    sidecar = start(origin=origin, policy=POLICY.format(ttl="1h"))
    fill(Wire(sidecar.connect()))
    clients = [LoadClient(socket.create_connection(("127.0.0.1", sidecar.port))) for _ in range(CLIENTS)]
    run(clients, lambda: min(client.answered for client in clients) < 200)
    large = Wire(sidecar.connect())
    assert large.one(b"SET", b"large", LARGE) == b"+OK\r\n"
    large.send(encode([b"GET", b"large"]))
    large.client.recv(10)  # it is on its way
    began_s = time.monotonic()
    sidecar.process.send_signal(signal.SIGTERM)
    run_until_closed(clients)
    for client in clients:
        assert client.rest == b"", f"a reply was cut short: {client.rest[:100]!r}"
    received = 10
    while chunk := large.client.recv(1 << 20):
        received += len(chunk)
    assert received == len(b"$5000000\r\n") + len(LARGE) + 2
    assert sidecar.process.wait(20) == 0
    assert time.monotonic() - began_s <= STOP_S
    assert any(client.answered < client.sent for client in clients), "the load had ended before"
    again = start(folder=sidecar.log_path.parent, origin=origin, policy=POLICY.format(ttl="1h"))
    fill_is_there(Wire(again.connect()))


def fill_is_there(wire: Wire) -> None:
    for number in range(0, 4 * KEYS, 4):
        request, reply = exchange(number)
        wire.send(request)
        assert wire.read_reply() == reply


def test_reloads_under_load_disturb_nobody(start):
    """A hundred policies, one after the other, while clients read and write: no error, and the last one is in force."""
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY.format(ttl="1h"))
    fill(Wire(sidecar.connect()))
    clients = [LoadClient(sidecar.connect()) for _ in range(CLIENTS)]
    reloaded = 0

    def reload() -> bool:
        nonlocal reloaded
        if generation(sidecar) == 1 + reloaded:
            if reloaded == RELOADS:
                return False
            reloaded += 1
            views = "".join(f"  - {{name: v{each}, keys: 'key:{each}{{x*}}', ttl: {reloaded}s}}\n" for each in range(5))
            text = POLICY.format(ttl=f"{60 + reloaded}s") + "feature_views:\n" + views
            replace(sidecar.policy_path, text)
            sidecar.process.send_signal(signal.SIGHUP)
        return True

    run(clients, reload)
    assert generation(sidecar) == 1 + RELOADS
    assert json.loads(sidecar.fetch("/policy"))["last_error"] is None
    assert min(client.answered for client in clients) > RELOADS
    assert '"level":"error"' not in sidecar.log()


def replace(path: Path, text: str) -> None:
    """Put a whole new file in the place of another."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def generation(sidecar) -> int:
    return int(json.loads(sidecar.fetch("/policy"))["generation"])


def test_a_swapped_config_map_applies_within_a_second(start, tmp_path):
    """Kubernetes swaps ..data by rename: an hour's ttl becomes 50 ms, for entries that are in memory already."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    swap(mounted, "first", POLICY.format(ttl="1h"))
    (mounted / "policy.yaml").symlink_to("..data/policy.yaml")
    origin = f"sqlite:///{tmp_path / 'features.db'}"
    sidecar = start("--policy", str(mounted / "policy.yaml"), origin=origin)
    writer, reader = Wire(start(origin=origin).connect()), Wire(sidecar.connect())
    assert writer.one(b"SET", b"k", b"old") == b"+OK\r\n"
    assert reader.one(b"GET", b"k") == b"$3\r\nold\r\n"
    assert writer.one(b"SET", b"k", b"new") == b"+OK\r\n"
    assert reader.one(b"GET", b"k") == b"$3\r\nold\r\n"
    swapped_s = time.monotonic()
    text = POLICY.format(ttl="50ms").replace("deadline: 20s,", "deadline: 20s, stale_while_revalidate: 0s,", 1)
    swap(mounted, "second", text)
    while reader.one(b"GET", b"k") != b"$3\r\nnew\r\n":
        assert time.monotonic() - swapped_s < 1.5  # a second, and some for a busy machine
    assert generation(sidecar) == 2


def swap(mounted: Path, name: str, text: str) -> None:
    """As the kubelet does: a new folder beside the old one, and ..data made to point to it in one step."""
    (mounted / f"..{name}").mkdir()
    (mounted / f"..{name}" / "policy.yaml").write_text(text)
    (mounted / "..data_tmp").symlink_to(f"..{name}")
    (mounted / "..data_tmp").rename(mounted / "..data")
