"""How much may be asked again: a share of what was asked the first time, for retries and hedges together.

A token bucket as Finagle's RetryBudget: each first attempt deposits RATIO of a token, each further attempt takes a
whole one, and deposits expire. So whatever fails, the origin is asked at most 1.1 times as often as without retries.
Finagle also grants ten retries a second to those who ask little; here that would be many times what a quiet sidecar
asks, and a node has dozens of sidecars in the same trouble. A quiet one does without.
"""

from collections import deque

RATIO = 0.1
LIFE_NS = 10_000_000_000
_SLOT_NS = 1_000_000_000  # deposits are kept by the second


class RetryBudget:
    """Documents that may be asked for again. Bounded: one number for each second of LIFE_NS."""

    __slots__ = ("_earned", "_slots", "_tokens", "ratio")

    def __init__(self, ratio: float = RATIO) -> None:
        self.ratio = ratio
        self._tokens = 0.0
        self._earned = 0.0  # deposits that have not expired, spent or not
        self._slots: deque[list[float]] = deque()  # [second, what is left of its deposits, its deposits]

    def deposit(self, documents: int, now_ns: int) -> None:
        """So many were asked for the first time."""
        second = now_ns // _SLOT_NS
        tokens = documents * self.ratio
        if self._slots and self._slots[-1][0] == second:
            self._slots[-1][1] += tokens
            self._slots[-1][2] += tokens
        else:
            self._expire(now_ns)
            self._slots.append([second, tokens, tokens])
        self._tokens += tokens
        self._earned += tokens

    def left(self, now_ns: int) -> int:
        """How many may be asked for again now."""
        self._expire(now_ns)
        return int(self._tokens + 1e-9)

    def is_used_up(self, now_ns: int) -> bool:
        """Whether nothing is left of a budget that there was: not so for one who asked too little to have any."""
        return not self.left(now_ns) and self._earned >= 1

    def withdraw(self, wanted: int, now_ns: int) -> int:
        """Take up to ``wanted``; how many were granted."""
        granted = min(wanted, self.left(now_ns))
        owed = float(granted)
        self._tokens -= owed
        for slot in self._slots:  # the oldest first: they are the next to expire
            paid = min(owed, slot[1])
            slot[1] -= paid
            owed -= paid
            if owed <= 0:
                break
        return granted

    def _expire(self, now_ns: int) -> None:
        oldest = (now_ns - LIFE_NS) // _SLOT_NS
        slots = self._slots
        while slots and slots[0][0] <= oldest:
            _, left, earned = slots.popleft()
            self._tokens = max(0.0, self._tokens - left)
            self._earned -= earned
        if not slots:
            self._tokens = self._earned = 0.0
