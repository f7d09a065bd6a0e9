"""How much may be asked again: a share of what was asked the first time, for retries and hedges together.

A token bucket as Finagle's RetryBudget: each first attempt deposits RATIO of a token, each further attempt takes a
whole one, and deposits expire. So whatever fails, the origin is asked at most 1.1 times as often as without retries.
Finagle also grants ten retries a second to those who ask little; here that would be many times what a quiet sidecar
asks, and a node has dozens of sidecars in the same trouble. A quiet one does without.
"""

from collections import deque

RATIO = 0.1
LIFE_NS = 10_000_000_000
_SECOND_NS = 1_000_000_000  # deposits are kept by the second


class RetryBudget:
    """Documents that may be asked for again. Bounded: one entry for each second of LIFE_NS."""

    __slots__ = ("_deposits", "_fresh", "_second_ends_ns", "ratio")

    def __init__(self, ratio: float = RATIO) -> None:
        self.ratio = ratio
        self._deposits: deque[tuple[int, float, float]] = deque()  # of a second: expires at, what is left of, all of it
        self._fresh = 0  # documents of this second
        self._second_ends_ns = 0

    def deposit(self, documents: int, now_ns: int) -> None:
        """So many were asked for the first time."""
        if now_ns >= self._second_ends_ns:
            self._settle(now_ns)
        self._fresh += documents

    def left(self, now_ns: int) -> int:
        """How many may be asked for again now."""
        self._settle(now_ns)
        return int(sum(left for _, left, _ in self._deposits) + 1e-9)

    def is_used_up(self, now_ns: int) -> bool:
        """Whether nothing is left of a budget that there was: not so for one who asked too little to have any."""
        return not self.left(now_ns) and sum(tokens for _, _, tokens in self._deposits) >= 1

    def withdraw(self, wanted: int, now_ns: int) -> int:
        """Take up to ``wanted``; how many were granted."""
        granted = min(wanted, self.left(now_ns))
        owed = float(granted)
        for place, (expires_ns, left, tokens) in enumerate(self._deposits):  # the oldest first: the next to expire
            paid = min(owed, left)
            self._deposits[place] = (expires_ns, left - paid, tokens)
            owed -= paid
        return granted

    def _settle(self, now_ns: int) -> None:
        """Let what is old expire, and turn what was asked for into tokens."""
        deposits = self._deposits
        if self._fresh:
            left = tokens = self._fresh * self.ratio
            if deposits and deposits[-1][0] == self._second_ends_ns + LIFE_NS:
                _, left_before, tokens_before = deposits.pop()
                left, tokens = left + left_before, tokens + tokens_before
            deposits.append((self._second_ends_ns + LIFE_NS, left, tokens))
            self._fresh = 0
        self._second_ends_ns = (now_ns // _SECOND_NS + 1) * _SECOND_NS
        while deposits and deposits[0][0] <= now_ns:
            deposits.popleft()
