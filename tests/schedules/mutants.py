"""Breaks one check of the consistency protocol at a time: the schedules must notice each.

A mutant patches the built miss path of one schedule, so that nothing has to be put back. The protocol is native code:
the schedule must have been given Breakable, whose methods can be replaced for that too.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from schedules.schedule import Schedule
from sidecar.fetch.coherence import Coherence, Mark
from sidecar.fetch.memory_reads import MemoryReads
from sidecar.fetch.memory_tier import Window


class Breakable(Coherence):
    """The protocol, open to replacement: the native code asks an instance of a subclass for its methods."""


def _forget_to(name: str, result: Any = None) -> Callable[[Schedule], None]:
    """A mutant whose coherence never does ``name``."""

    def mutate(schedule: Schedule) -> None:
        setattr(schedule.path.coherence, name, lambda *args: result)

    return mutate


def _ignores(reason: str) -> Callable[[Schedule], None]:
    """A mutant that installs in spite of one obstacle."""

    def mutate(schedule: Schedule) -> None:
        coherence = schedule.path.coherence
        obstacle = coherence.obstacle

        def careless(fill: Any, covers: Any) -> str | None:
            found = obstacle(fill, covers)
            return None if found == reason else found

        coherence.obstacle = careless

    return mutate


def no_end_bump(schedule: Schedule) -> None:
    """A write bumps the generation at its start only."""
    coherence = schedule.path.coherence
    end_write, bump = coherence.end_write, coherence._bump

    def end_without_bump(key: bytes, mark: Any) -> bool:
        coherence._bump = lambda key: None
        try:
            return bool(end_write(key, mark))
        finally:
            coherence._bump = bump

    coherence.end_write = end_without_bump


def no_start_bump(schedule: Schedule) -> None:
    """A write bumps the generation at its end only."""
    coherence = schedule.path.coherence
    begin_write, bump = coherence.begin_write, coherence._bump

    def begin_without_bump(key: bytes, reserved: Any) -> Any:
        coherence._bump = lambda key: None
        try:
            return begin_write(key, reserved)
        finally:
            coherence._bump = bump

    coherence.begin_write = begin_without_bump


def writes_begin_at_their_end(schedule: Schedule) -> None:
    """Until its answer comes nobody hears of a write."""
    coherence = schedule.path.coherence
    begin_write, end_write = coherence.begin_write, coherence.end_write
    coherence.begin_write = lambda key, reserved: Mark(reserved, coherence.epoch)
    coherence.end_write = lambda key, mark: end_write(key, begin_write(key, mark.reserved))


def older_flights_are_joined(schedule: Schedule) -> None:
    """Readers share any flight in the air that covers what they ask."""
    schedule.path.coherence.is_current = lambda fill: True


def reserved_fields_are_read(schedule: Schedule) -> None:
    """The Python side reads what a write reserves from memory."""

    class Careless(MemoryReads):
        def answer(self, key: bytes, fields: tuple[bytes, ...] | None, window: Window) -> Any:
            return self._store.lookup_counted(key, fields, window, frozenset())

    reads = schedule.path.reads
    reads._memory = reads._landing._memory = Careless(schedule.store, schedule.path.coherence, reads._numbers)


class _DropsNothing:
    """A store in which an answer that is only given leaves what is there."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def drop(self, key: bytes) -> bool:
        return False

    def drop_fields(self, key: bytes, fields: Any) -> bool:
        return False


def given_answers_drop_nothing(schedule: Schedule) -> None:
    """An answer that is given but not installed leaves older ones in memory."""
    coherence = schedule.path.coherence

    def only_overtake(key: bytes, covers: Any) -> None:
        coherence._overtake_fills(key)
        coherence._overtake_writes(key, covers)

    coherence.given_only = only_overtake


def invalidation_does_not_bump(schedule: Schedule) -> None:
    """Invalidating a key drops it, but fills in the air are installed."""
    coherence = schedule.path.coherence

    def only_drop(key: bytes) -> bool:
        coherence._overtake_writes(key, None)
        return bool(schedule.store.drop(key))

    coherence.invalidate = only_drop


def writes_outlive_epochs(schedule: Schedule) -> None:
    """A write that began before an invalidation by pattern is installed."""
    coherence = schedule.path.coherence
    end_write = coherence.end_write

    def end_as_of_now(key: bytes, mark: Any) -> bool:
        mark.epoch = coherence.epoch
        return bool(end_write(key, mark))

    coherence.end_write = end_as_of_now


def unknown_outcomes_leave_memory(schedule: Schedule) -> None:
    """A write whose outcome is unknown leaves its row in memory."""
    schedule.path.writes._store = _DropsNothing(schedule.store)


def no_quarantine(schedule: Schedule) -> None:
    """A write whose outcome is unknown does not keep its key out of memory."""
    schedule.path.writes._quarantine = type("Nowhere", (), {"add": lambda *args: None})()


def ages_begin_at_arrival(schedule: Schedule) -> None:
    """An answer's age begins when it arrives, not when it was asked for."""
    batcher = schedule.path.reads._batcher
    land = batcher._land

    def land_as_new(flight: Any, answer: Any) -> None:
        flight.sent_ns = schedule.clock.ns
        land(flight, answer)

    batcher._land = land_as_new


def expiries_are_forgotten(schedule: Schedule) -> None:
    """What the origin says of a document's expiry is not kept."""
    store = schedule.store
    install = store.install

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def install(self, key: bytes, answer: Any, *rest: Any, **named: Any) -> bool:
            if hasattr(answer, "expiry_ms"):
                answer = replace(answer, expiry_ms=None)
            return bool(install(key, answer, *rest, **named))

    schedule.path.reads._landing._store = Forgetful()


def hot_path_is_not_warned(schedule: Schedule) -> None:
    """A write does not send the hot path's look-ups to Python."""

    class NeverBusy:
        def __getattr__(self, name: str) -> Any:
            return getattr(schedule.store, name)

        def set_busy(self, key: bytes, busy: bool) -> None:
            """Nobody is warned."""

    schedule.path.coherence._store = NeverBusy()


def first_write_clears_the_warning(schedule: Schedule) -> None:
    """When the first of two writes ends the hot path reads again what the second reserves."""
    schedule.path.coherence.show = lambda key: schedule.store.set_busy(key, False)


MUTANTS: dict[str, Callable[[Schedule], None]] = {
    "no bump at a write's start": no_start_bump,
    "no bump at a write's end": no_end_bump,
    "writes begin at their end": writes_begin_at_their_end,
    "fills ignore the generation": _ignores("written"),
    "fills ignore writes under way": _ignores("writer"),
    "fills ignore other fills": _ignores("overlap"),
    "fills ignore the epoch": _ignores("invalidated"),
    "fills ignore the quarantine": _ignores("quarantine"),
    "given answers do not overtake fills": _forget_to("_overtake_fills"),
    "given answers do not overtake writes": _forget_to("_overtake_writes"),
    "given answers drop nothing": given_answers_drop_nothing,
    "older flights are joined": older_flights_are_joined,
    "reserved fields are read": reserved_fields_are_read,
    "invalidation does not bump": invalidation_does_not_bump,
    "epochs do not change": _forget_to("begin_epoch"),
    "writes outlive epochs": writes_outlive_epochs,
    "unknown outcomes leave memory": unknown_outcomes_leave_memory,
    "no quarantine": no_quarantine,
    "ages begin at arrival": ages_begin_at_arrival,
    "expiries are forgotten": expiries_are_forgotten,
    "the hot path is not warned": hot_path_is_not_warned,
    "the first write clears the warning": first_write_clears_the_warning,
}
