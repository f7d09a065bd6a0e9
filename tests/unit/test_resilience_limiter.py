"""The adaptive limiter finds an origin's knee, follows it, and never closes altogether."""

import heapq
from random import Random

import pytest

from sidecar.fetch.batcher import CALLS_AT_LEAST
from sidecar.resilience.limiter import CALLS, FIRST, MOST, UNPROVEN, WINDOW_NS, AdaptiveLimiter, Kind
from sidecar.resilience.priority import Priority

MS = 1_000_000


class Server:
    """So many workers, each a document at a time; callers always have more to ask: the hardest case.

    Attributes:
        service_ns: of a document, half of it to one and a half times.
    """

    def __init__(self, limiter: AdaptiveLimiter, workers: int, service_ns: int) -> None:
        self.limiter = limiter
        self.service_ns = service_ns
        self.now_ns = 1
        self.done: list[tuple[int, int]] = []  # (when, documents)
        self._free = [0] * workers
        self._calls: list[tuple[int, int, int, int]] = []
        self._random = Random(1)

    def run(self, seconds: float) -> None:
        """Keep it busy."""
        until_ns = self.now_ns + int(seconds * 1e9)
        while self.now_ns < until_ns:
            while room := self.limiter.room(Kind.READ, Priority.DEMAND):
                self._send(min(room, max(1, int(self.limiter.limit / CALLS_AT_LEAST))))
            ends_ns, documents, under_way, sent_ns = heapq.heappop(self._calls)
            self.now_ns = ends_ns
            self.done.append((ends_ns, documents))
            self.limiter.release(Kind.READ, documents, under_way, True, ends_ns - sent_ns, ends_ns)

    def goodput(self, last_s: float) -> float:
        """Documents a second of late."""
        return sum(documents for when, documents in self.done if when > self.now_ns - last_s * 1e9) / last_s

    def _send(self, documents: int) -> None:
        ends_ns = self.now_ns
        for _ in range(documents):
            begins_ns = max(self.now_ns, self._free[0])
            ends_ns = begins_ns + int(self.service_ns * (0.5 + self._random.random()))
            heapq.heapreplace(self._free, ends_ns)
        under_way = self.limiter.acquire(Kind.READ, documents)
        heapq.heappush(self._calls, (ends_ns, documents, under_way, self.now_ns))


@pytest.mark.parametrize(("workers", "service_ms"), [(1, 10), (4, 10), (16, 20), (32, 5)])
def test_it_finds_the_knee_and_keeps_it(workers: int, service_ms: int):
    """All the origin can do, and not much more in the air: over several windows, begun with a thousand at once."""
    server = Server(AdaptiveLimiter(), workers, service_ms * MS)
    server.run(45)
    for _ in range(5):
        server.run(10)
        assert server.goodput(10) > 0.8 * workers / (service_ms / 1e3)
        assert server.limiter.limit <= 4 * workers * max(1, 10 / service_ms)


def test_a_fast_origin_is_not_limited_for_a_big_call_s_sake():
    """Latencies of a few milliseconds are no congestion, however much more than a small call's they are."""
    limiter = AdaptiveLimiter()
    for number in range(1000):
        documents = 1 if number % 2 else 500
        under_way = limiter.acquire(Kind.READ, documents)
        limiter.release(Kind.READ, documents, under_way, True, 60_000 if documents == 1 else 8 * MS, number * 10 * MS)
    assert limiter.room(Kind.READ, Priority.DEMAND) >= FIRST / 2


def test_it_recovers_after_a_brownout():
    """Twenty times slower for a while, then as before: within seconds all is asked again."""
    server = Server(AdaptiveLimiter(), 32, 10 * MS)
    server.run(10)
    normal = server.goodput(5)
    server.service_ns *= 20
    server.run(10)
    during = server.limiter.limit
    server.service_ns //= 20
    server.run(5)
    server.run(3)
    assert server.goodput(3) > 0.8 * normal
    assert during < 32 * 4


def test_it_never_closes():
    """However late everything is, one document may be asked for; nothing refused at once counts as late."""
    limiter = AdaptiveLimiter()
    limiter.release(Kind.READ, 1, limiter.acquire(Kind.READ, 1), True, MS, 1)
    for number in range(2000):
        room = limiter.room(Kind.READ, Priority.DEMAND)
        assert room >= 1
        under_way = limiter.acquire(Kind.READ, room)
        limiter.release(Kind.READ, room, under_way, False, 250 * MS, number * 250 * MS)
    assert limiter.limit == 1
    limiter.release(Kind.READ, 1, limiter.acquire(Kind.READ, 1), False, 0, 1)
    assert limiter.limit == 1


def test_it_is_bounded_above():
    """A fast origin that is asked for all that may be does not make it grow for ever."""
    limiter = AdaptiveLimiter()
    for number in range(5000):
        room = limiter.room(Kind.READ, Priority.DEMAND)
        limiter.release(Kind.READ, room, limiter.acquire(Kind.READ, room), True, MS, number * MS)
    assert limiter.limit == MOST


def test_the_limit_of_one_that_asks_little_is_not_cut_to_nothing():
    """A few slow calls say that the origin is slow, not that more of them would be worse."""
    limiter = AdaptiveLimiter()
    limiter.release(Kind.READ, 1, limiter.acquire(Kind.READ, 1), True, MS, 1)
    for number in range(5000):
        limiter.release(Kind.READ, 1, limiter.acquire(Kind.READ, 1), True, 100 * MS, number * 100 * MS % WINDOW_NS)
    assert limiter.limit == UNPROVEN


def test_the_least_latency_is_learned_anew():
    """An origin that has become slower for good is used as before, after two windows."""
    server = Server(AdaptiveLimiter(), 8, 5 * MS)
    server.run(5)
    server.service_ns *= 8
    server.run(3 * WINDOW_NS / 1e9)
    server.run(10)
    assert server.goodput(10) > 0.8 * 8 / 0.040


def test_urgency_decides_over_what_is_left():
    """Demand may use all, revalidation half, speculation a quarter; at the least limit speculation nothing."""
    limiter = AdaptiveLimiter(100)
    assert [limiter.room(Kind.READ, priority) for priority in Priority] == [100, 50, 25]
    limiter.acquire(Kind.READ, 30)
    assert [limiter.room(Kind.READ, priority) for priority in Priority] == [70, 20, 0]
    limiter.acquire(Kind.READ, 70)
    assert [limiter.room(Kind.READ, priority) for priority in Priority] == [0, 0, 0]
    assert [AdaptiveLimiter(1).room(Kind.READ, priority) for priority in Priority] == [1, 1, 0]


def test_reads_and_writes_do_not_starve_each_other():
    """Whichever has nothing under way may send one document, though the other took all."""
    limiter = AdaptiveLimiter(10)
    limiter.acquire(Kind.WRITE, 10)
    assert limiter.room(Kind.WRITE, Priority.DEMAND) == 0
    assert limiter.room(Kind.READ, Priority.DEMAND) == 1
    limiter.acquire(Kind.READ, 1)
    assert limiter.room(Kind.READ, Priority.DEMAND) == 0


def test_calls_are_bounded_too():
    """Beyond so many calls of a kind misses gather, whatever the limit."""
    limiter = AdaptiveLimiter()
    for _ in range(CALLS):
        assert limiter.room(Kind.READ, Priority.DEMAND) > 0
        limiter.acquire(Kind.READ, 1)
    assert limiter.room(Kind.READ, Priority.DEMAND) == 0
    assert limiter.room(Kind.WRITE, Priority.DEMAND) > 0


def test_slow_commits_are_no_congestion_of_reads():
    """A write's latency is judged by writes': 20 ms commits beside reads of 0.1 ms leave the limit alone."""
    limiter = AdaptiveLimiter()
    for number in range(1000):
        limiter.release(Kind.READ, 600, limiter.acquire(Kind.READ, 600), True, MS // 10, number * MS)
        limiter.release(Kind.WRITE, 600, limiter.acquire(Kind.WRITE, 600), True, 20 * MS, number * MS)
    assert limiter.limit >= FIRST


def test_a_probe_ends_though_reads_and_writes_always_overlap():
    """Each kind may send one in the probe: one is always in flight when the other leaves, and the limit comes back."""
    limiter, now_ns = AdaptiveLimiter(100), 1
    writes = limiter.acquire(Kind.WRITE, 2)
    while limiter.limit > 2:  # used to the full, until the turn of a window begins a probe
        now_ns += 100 * MS
        documents = int(limiter.limit)
        limiter.release(Kind.READ, documents, limiter.acquire(Kind.READ, documents), True, MS, now_ns)
    held = limiter.acquire(Kind.READ, 1)
    limiter.release(Kind.WRITE, 2, writes, True, MS, now_ns)
    for _ in range(10):
        for leaving, staying in ((Kind.WRITE, Kind.READ), (Kind.READ, Kind.WRITE)):
            now_ns += MS
            assert limiter.room(leaving, Priority.DEMAND) >= 1
            sent = limiter.acquire(leaving, 1)
            limiter.release(staying, 1, held, True, MS, now_ns)
            held = sent
    assert limiter.limit > 40
