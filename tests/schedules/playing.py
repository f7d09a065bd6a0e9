"""Many schedules in a row, for one process."""

from collections.abc import Callable
from typing import Any, NamedTuple

from schedules.read_storm import ReadStorm
from schedules.schedule import Schedule
from schedules.surroundings import native_store


class Played(NamedTuple):
    """How it went.

    Attributes:
        failure: the first seed that broke a promise and how; None: none did.
        judged: answers that the oracle judged.
    """

    failure: str | None
    judged: int


def play(first_seed: int, schedules: int, make_store: Callable[[Any], Any] = native_store) -> Played:
    """Play so many seeds from ``first_seed`` on, to the first that fails."""
    judged = 0
    for seed in range(first_seed, first_seed + schedules):
        schedule = Schedule(seed, make_store)
        try:
            schedule.run()
        except Exception as error:
            return Played(f"Schedule({seed}, {make_store.__name__}).run(): {error!r}", judged)
        judged += schedule.judged
    return Played(None, judged)


def storm(first_seed: int, answers: int) -> Played:
    """Play storms from ``first_seed`` on until so many answers were judged."""
    judged, seed = 0, first_seed
    while judged < answers:
        schedule = ReadStorm(seed)
        try:
            schedule.run()
        except Exception as error:
            return Played(f"ReadStorm({seed}).run(): {error!r}", judged)
        judged += schedule.judged
        seed += 1
    return Played(None, judged)
