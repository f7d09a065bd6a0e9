"""Documents that were prefetched and not asked for yet, until memory's verdict on each comes.

A verdict may take as long as an entry lives, an hour or a day. So a guess that is not asked for within OVERDUE_S counts
against its set's precision already, and is taken back if it is used after all. Bounded: past MOST_PENDING the oldest is
taken to be wasted.
"""

from collections.abc import Iterable

from sidecar.prefetch.set_state import SetState

MOST_PENDING = 16_384  # about 2 MB
OVERDUE_S = 20.0
MOVED_PER_STEP = 500  # guesses that become overdue at once


class Pending:
    """One guess. ``copies``: it was fetched again before anybody asked."""

    __slots__ = ("at_ns", "copies", "state")

    def __init__(self, state: SetState, at_ns: int) -> None:
        self.state = state
        self.at_ns = at_ns
        self.copies = 1


class Guesses:
    """Keeps the books on guesses. Keys are memory's ``prefetch_id``."""

    def __init__(self) -> None:
        self._young: dict[int, Pending] = {}  # oldest first, as both
        self._overdue: dict[int, Pending] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._overdue)

    def begun(self, guess: int, state: SetState, now_ns: int) -> None:
        """A document is being fetched."""
        state.fetched += 1
        known = self._young.pop(guess, None)
        if known is not None:
            known.copies += 1
            known.at_ns = now_ns
            self._young[guess] = known
            return
        if guess in self._overdue:
            self._overdue[guess].copies += 1
            return
        self._young[guess] = Pending(state, now_ns)
        state.unproven += 1
        if len(self) > MOST_PENDING:
            self._close(next(iter(self._overdue or self._young)), used=False)

    def not_kept(self, guess: int, asked: bool) -> None:
        """It is not in memory as a guess: somebody asked meanwhile, or it could not be kept, which proves nothing."""
        self._close(guess, used=asked, proves=asked)

    def judge(self, verdicts: Iterable[int]) -> None:
        """What memory says (see Store.take_verdicts)."""
        for verdict in verdicts:
            self._close(verdict & ~1, used=bool(verdict & 1))

    def note_overdue(self, now_ns: int) -> None:
        """Count those that wait too long against their sets."""
        limit_ns = now_ns - int(OVERDUE_S * 1e9)
        for _ in range(MOVED_PER_STEP):
            guess = next(iter(self._young), None)
            if guess is None or self._young[guess].at_ns > limit_ns:
                return
            pending = self._overdue[guess] = self._young.pop(guess)
            pending.state.unproven -= 1
            pending.state.proved(False)

    def _close(self, guess: int, used: bool, proves: bool = True) -> None:
        is_young = guess in self._young
        book = self._young if is_young else self._overdue
        pending = book.get(guess)
        if pending is None:
            return
        state = pending.state
        pending.copies -= 1
        is_last = used or pending.copies <= 0
        if is_last:
            del book[guess]
            state.unproven -= is_young
        state.settled(used)
        if not proves:
            return
        if is_young:
            state.proved(used)
        elif used:
            state.proved_after_all()
