"""One feature set's discipline: how often its guesses proved right, and whether it may go on guessing.

A set begins slowly: it may have FIRST_GUESSES unproven, and more as guesses prove right. When its precision falls below
the policy's ``min_precision`` it is turned off. Off, one of PROBE_EVERY occasions is still taken, so that its precision
goes on being measured; when that has recovered, the set is turned on again.
"""

from sidecar.logs import logger
from sidecar.metrics.miss_path import PREFETCH_OUTCOMES
from sidecar.prefetch.decayed import Decayed

LEAST_VERDICTS = 20  # before a precision is believed
FIRST_GUESSES = 64  # unproven ones, with nothing known yet
GUESSES_PER_PROOF = 4  # unproven ones that each right one of late allows
PROBE_EVERY = 200  # occasions: off, a set costs half a percent
RECOVERED = 0.05  # above min_precision, or its state would flutter
_log = logger("prefetch")


class SetState:
    """Counts and state of one set.

    Attributes:
        name: the set's, or of what was learned the two templates.
        is_on: whether its occasions are taken.
        fetched, used, wasted: documents, since the start.
        missed: documents of its members that were read because somebody asked.
        unproven: guesses that were not asked for yet and are not overdue.

    Args:
        counted: the metrics' counts, by label and outcome.
        label: what the metrics call it; several that were learned share one.
    """

    __slots__ = (
        "_counted",
        "_label",
        "_occasions",
        "_right",
        "_wrong",
        "fetched",
        "is_on",
        "missed",
        "name",
        "unproven",
        "used",
        "wasted",
    )

    def __init__(self, name: str, counted: dict[tuple[str, str], int], label: str) -> None:
        self.name = name
        self._counted = counted
        self._label = label
        for outcome in PREFETCH_OUTCOMES:
            counted.setdefault((label, outcome), 0)
        self.is_on = True
        self.fetched = 0
        self.used = 0
        self.wasted = 0
        self.missed = 0
        self.unproven = 0
        self._right = Decayed()
        self._wrong = Decayed()
        self._occasions = 0

    def takes_occasion(self) -> bool:
        """Whether to prefetch now."""
        if self.is_on and self.unproven < FIRST_GUESSES + GUESSES_PER_PROOF * self._right.value:
            return True
        self._occasions += 1
        return self._occasions % PROBE_EVERY == 0

    def settled(self, used: bool) -> None:
        """What became of a guess in the end."""
        if used:
            self.used += 1
        else:
            self.wasted += 1
        self._counted[self._label, "used" if used else "wasted"] += 1

    def proved(self, right: bool) -> None:
        """The verdict on one guess."""
        (self._right if right else self._wrong).add()

    def proved_after_all(self) -> None:
        """A guess that was taken to be wrong was right."""
        self._wrong.add(-1.0)
        self._right.add()

    @property
    def wrong(self) -> float:
        """Guesses that were wrong, of late."""
        return self._wrong.value

    def precision(self) -> float | None:
        """The share of guesses that were right, of late; None: too few to say."""
        verdicts = self._right.value + self._wrong.value
        return self._right.value / verdicts if verdicts >= LEAST_VERDICTS else None

    def coverage(self) -> float | None:
        """Of the documents of its members that memory lacked when they were wanted, the share that was prefetched.

        What is asked first of an entity is always read because somebody asked: of a set of n members (n-1)/n is all
        there is to gain.
        """
        wanted = self.used + self.missed
        return self.used / wanted if wanted else None

    def decide(self, min_precision: float) -> bool:
        """Turn off or on by the precision of late; one log line for each change. Whether it changed."""
        precision = self.precision()
        was_on = self.is_on
        if precision is None:
            return False
        if self.is_on and precision < min_precision:
            self.is_on = False
            _log.warning("prefetch_off", set=self.name, precision=round(precision, 3), min_precision=min_precision)
        elif not self.is_on and precision >= min(1.0, min_precision + RECOVERED):
            self.is_on = True
            _log.info("prefetch_on", set=self.name, precision=round(precision, 3), min_precision=min_precision)
        return self.is_on is not was_on

    def fade(self, share: float) -> None:
        """Time passed."""
        self._right.fade(share)
        self._wrong.fade(share)
