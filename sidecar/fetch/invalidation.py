"""Somebody else changed the origin, or what an entry means: memory forgets, and what is under way is not installed."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable

from sidecar.fetch.coherence import Coherence
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.origins.key_glob import key_matcher

STEP_NS = 500_000  # between two turns of the loop: no step is to take 1 ms


class Invalidation:
    """Forgets keys one by one, by pattern, or all."""

    __slots__ = ("_coherence", "_loop", "_store")

    def __init__(self, loop: AbstractEventLoop, store: MemoryTier, coherence: Coherence) -> None:
        self._loop = loop
        self._store = store
        self._coherence = coherence

    def invalidate(self, keys: Iterable[bytes]) -> int:
        """Forget these. How many memory held."""
        return sum(self._coherence.invalidate(key) for key in keys)

    def invalidate_match(self, glob: bytes) -> "Future[None]":
        """Forget the keys that a Redis glob matches."""
        matches = key_matcher(glob)
        return self.invalidate_where(lambda key: bool(matches(key)))

    def invalidate_where(self, predicate: Callable[[bytes], bool]) -> "Future[None]":
        """Forget the keys for which ``predicate`` is true, in steps between which the loop turns.

        Returns:
            Done when the walk is over; until then some of the keys may still be served.
        """
        self._coherence.begin_epoch()
        walked: Future[None] = self._loop.create_future()
        self._walk(predicate, 0, walked)
        return walked

    def flush_memory(self) -> None:
        """Empty the memory tier."""
        self._coherence.begin_epoch()
        self._store.clear()

    def _walk(self, predicate: Callable[[bytes], bool], position: int, walked: "Future[None]") -> None:
        next_position = self._store.drop_matching(predicate, position, STEP_NS)
        if next_position is not None:
            self._loop.call_soon(self._walk, predicate, next_position, walked)
        elif not walked.done():
            walked.set_result(None)
