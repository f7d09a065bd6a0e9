"""Somebody else changed the origin, or what an entry means: memory forgets, and what is under way is not installed."""

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Iterable

from sidecar.fetch.coherence import Coherence
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.origins.key_glob import key_matcher

KEYS_PER_STEP = 1000  # looked at between two turns of the loop: no step is to take 1 ms

Walk = tuple[Callable[[bytes], bool], "Future[None]"]


class Invalidation:
    """Forgets keys one by one, by pattern, or all."""

    __slots__ = ("_coherence", "_loop", "_store", "_walks")

    def __init__(self, loop: AbstractEventLoop, store: MemoryTier, coherence: Coherence) -> None:
        self._loop = loop
        self._store = store
        self._coherence = coherence
        self._walks: deque[Walk] = deque()  # the first is under way: the store knows one walk at a time

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
        self._walks.append((predicate, walked))
        if len(self._walks) == 1:
            self._walk(0)
        return walked

    def flush_memory(self) -> None:
        """Empty the memory tier."""
        self._coherence.begin_epoch()
        self._store.clear()

    def _walk(self, position: int) -> None:
        """One step of the first walk; then the next step, or the next walk."""
        predicate, walked = self._walks[0]
        next_position = self._store.drop_matching(predicate, KEYS_PER_STEP, position)
        if next_position is not None:
            self._loop.call_soon(self._walk, next_position)
            return
        self._walks.popleft()
        if not walked.done():
            walked.set_result(None)
        if self._walks:
            self._loop.call_soon(self._walk, 0)
