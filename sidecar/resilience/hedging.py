"""When a small read is asked a second time because the first is late.

"The Tail at Scale" (Dean and Barroso, CACM 2013): the second leaves when the first has taken longer than nearly all
before it, so few are asked twice, and those are paid from the retry budget. Whoever answers first wins.
"""

from collections import deque

MOST_DOCUMENTS = 4  # of a call: with more, one of them is always late
_OBSERVED = 200  # calls that the delay is taken from
_RANK = 0.97  # between the 95th and the 99th percentile
_EVERY = 20  # observations between two looks at them
_SHORTEST_NS = 1_000_000


class Hedging:
    """Remembers how long recent small reads took. Bounded by _OBSERVED numbers.

    Attributes:
        delay_ns: when to ask again; None: too little is known.
    """

    __slots__ = ("_since", "_took_ns", "delay_ns")

    def __init__(self) -> None:
        self.delay_ns: int | None = None
        self._took_ns: deque[int] = deque(maxlen=_OBSERVED)
        self._since = 0

    def observe(self, took_ns: int) -> None:
        """A small read took so long until its first answer."""
        self._took_ns.append(took_ns)
        self._since += 1
        if self._since >= _EVERY:
            self._since = 0
            ordered = sorted(self._took_ns)
            # a quarter more: where all take about the same none is late
            self.delay_ns = max(_SHORTEST_NS, ordered[int(_RANK * len(ordered))] * 5 // 4)
