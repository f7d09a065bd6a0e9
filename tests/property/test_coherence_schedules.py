"""F2 (and what F1 and F4 say of the miss path): seeded schedules of the real code, judged by an oracle.

SCHEDULES in the environment says how many, FIRST_SEED where to begin; two processes split a run by their seeds.
A failing seed is printed; ``Schedule(seed).run()`` plays it again.
"""

import os

import pytest
from schedules.history import Violation
from schedules.mutants import MUTANTS
from schedules.schedule import Schedule, model_store, native_store

SCHEDULES = int(os.environ.get("SCHEDULES", "2000"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
MUTANT_SCHEDULES = 20_000  # the shyest mutant was seen to be caught within 2,500


@pytest.mark.parametrize(("make_store", "share"), [(native_store, 10), (model_store, 1)])
def test_no_schedule_breaks_a_promise(make_store, share):
    """Reads are monotonic, acknowledged writes are seen, no hard limit is passed, every request is answered once."""
    for seed in range(FIRST_SEED, FIRST_SEED + max(1, SCHEDULES * share // 11)):
        try:
            Schedule(seed, make_store).run()
        except Exception as error:
            pytest.fail(f"schedule {seed} of {make_store.__name__}: {error!r}")


def test_schedules_reach_every_obstacle():
    """The schedules are not tame: each reason not to install a fill occurs."""
    dropped = dict.fromkeys(("written", "writer", "overlap", "quarantine", "invalidated"), 0)
    for seed in range(400):
        schedule = Schedule(seed)
        schedule.run()
        for reason in dropped:
            dropped[reason] += schedule.counters.fills_dropped[reason]
    assert min(dropped.values()) > 0, dropped


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_of_the_protocol_is_caught(name):
    """With one check disabled some schedule breaks a promise."""
    for seed in range(MUTANT_SCHEDULES):
        schedule = Schedule(seed)
        MUTANTS[name](schedule)
        try:
            schedule.run()
        except Violation:
            return
    pytest.fail(f"{name}: not caught in {MUTANT_SCHEDULES} schedules")
