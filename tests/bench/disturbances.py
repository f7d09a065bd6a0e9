"""What may happen beside hits and must not be felt by them."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from dataset import KEYS, Client, command, key
from targets import POLICY, Sidecar

HOT_KEYS = 200_000  # about 21 MB: not in the L2, and never evicted while they are read
SMALL_MEMORY_MIB = 64  # of a sidecar that has to evict
FILLER_BATCH = 500
BEFORE_EXPIRY_S = 0.5  # the run begins so long before the moment of expiry
RISEN_WITHIN_S = 5.0
SAMPLE, SLOWER = 50_000, 1.4  # of the entries, to foresee how long loading all takes, with room for a slow minute


def load_hot(client: Client, count: int) -> None:
    """The keys that are read."""
    for first in range(0, count, FILLER_BATCH):
        client.ask([command(b"SET", key(n), b"%064d" % n) for n in range(first, first + FILLER_BATCH)])


def load_others(client: Client, count: int, options: list[bytes]) -> None:
    """Other keys, with options of SET."""
    for first in range(0, count, FILLER_BATCH):
        client.ask(
            [command(b"SET", b"old:%020d" % n, b"%064d" % n, *options) for n in range(first, first + FILLER_BATCH)]
        )


@contextmanager
def rising(target: Sidecar, field: str) -> Iterator[None]:
    """Make sure that what the run is to be disturbed by did happen: a number of INFO rises."""
    with Client(target.port) as client:
        before = client.info("stats", field)
        yield
        until = time.monotonic() + RISEN_WITHIN_S
        while client.info("stats", field) <= before:
            if time.monotonic() > until:
                raise RuntimeError(f"{field} did not rise")
            time.sleep(0.05)


class Disturbance:
    """Nothing: a quiet run.

    Args:
        share: of all keys, that are used.

    Attributes:
        hot_keys: how many are read.
        other_keys: how many the disturbance needs.
        options: of the sidecar.
        writes: percent of the commands that write new keys.
        anew: each pair needs a server of its own.
    """

    name = "quiet"
    writes = 0
    anew = False

    def __init__(self, share: float) -> None:
        self.hot_keys, self.other_keys = int(HOT_KEYS * share), int(KEYS * share)
        self.options = ("--max-memory", "512MiB")

    def prepare(self, target: Sidecar) -> None:
        """Called once per server, after the hot keys are there."""

    @contextmanager
    def active(self, target: Sidecar, seconds: float) -> Iterator[None]:
        """What happens during a run that lasts about so long."""
        yield


class Repeated(Disturbance):
    """Something done again and again by a thread."""

    every_s = 1.0

    @contextmanager
    def active(self, target: Sidecar, seconds: float) -> Iterator[None]:
        stop = threading.Event()
        errors: list[Exception] = []

        def repeat() -> None:
            number = 0
            while not stop.wait(self.every_s):
                number += 1
                try:
                    self.do(target, number)
                except Exception as error:
                    errors.append(error)

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if errors:
            raise errors[0]

    def do(self, target: Sidecar, number: int) -> None:
        """Once."""
        raise NotImplementedError


class Reload(Repeated):
    """The policy's numbers change; every entry that is cached is judged by the new ones."""

    name = "policy reload every second"

    def do(self, target: Sidecar, number: int) -> None:
        new = target.folder / "policy.new"
        new.write_text(POLICY.replace("ttl: 20h", f"ttl: {10 + number % 10}h"))
        new.replace(target.folder / "policy.yaml")


class Scrape(Repeated):
    """Prometheus asks for everything."""

    name = "full scrape every second"

    def do(self, target: Sidecar, number: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{target.admin_port}/metrics", timeout=10) as reply:
            if b"feature_sidecar_lookups_total" not in reply.read():
                raise RuntimeError("a scrape without the lookups")


class Expiry(Disturbance):
    """A million other entries expire at one moment of the run; then they are swept."""

    name = "expiry of 1 M entries"
    anew = True

    def prepare(self, target: Sidecar) -> None:
        began = time.monotonic()
        with Client(target.port) as client:
            load_others(client, SAMPLE, [])
        self._load_s = (time.monotonic() - began) * self.other_keys / SAMPLE * SLOWER + 1

    @contextmanager
    def active(self, target: Sidecar, seconds: float) -> Iterator[None]:
        while (left_s := self._load(target)) < 0:
            self._load_s *= 2  # they expired while they were loaded: so slow a minute was not foreseen
        time.sleep(left_s)
        with rising(target, "expired_keys"):
            yield

    def _load(self, target: Sidecar) -> float:
        """Load what will expire; returns for how many seconds to wait before the run begins."""
        at_s = time.time() + self._load_s
        with Client(target.port) as client:
            load_others(client, self.other_keys, [b"PXAT", b"%d" % (at_s * 1000)])
        return at_s - time.time() - BEFORE_EXPIRY_S


class Eviction(Disturbance):
    """Memory is full, and new keys come: each pushes something out."""

    name = "eviction under writes"
    writes = 5

    def __init__(self, share: float) -> None:
        super().__init__(share)
        self.options = ("--max-memory", f"{max(1024, int(SMALL_MEMORY_MIB * share * 1024))}KiB")

    def prepare(self, target: Sidecar) -> None:
        with Client(target.port) as client:
            load_others(client, self.other_keys, [])
            for first in range(0, self.hot_keys, FILLER_BATCH):  # those that were pushed out come back
                client.ask([command(b"GET", key(n)) for n in range(first, first + FILLER_BATCH)])

    @contextmanager
    def active(self, target: Sidecar, seconds: float) -> Iterator[None]:
        with rising(target, "evicted_keys"):
            yield
