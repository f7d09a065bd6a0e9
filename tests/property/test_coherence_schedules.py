"""F2, and what F1 and F4 say of the miss path: seeded schedules of the real code, judged by an oracle.

SCHEDULES in the environment says how many (200,000 in CI), FIRST_SEED where to begin. A failing seed is printed;
``Schedule(seed).run()`` plays it again.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from schedules.history import Violation
from schedules.mutants import MUTANTS, Breakable
from schedules.playing import play
from schedules.schedule import Schedule
from schedules.surroundings import model_store, native_store

SCHEDULES = int(os.environ.get("SCHEDULES", "200000" if os.environ.get("CI") else "20000"))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
PROCESSES = 2
MUTANT_SCHEDULES = 20_000  # the shyest mutant was seen to be caught within 2,500


@pytest.mark.parametrize("make_store", [native_store, model_store])
def test_no_schedule_breaks_a_promise(make_store):
    """Reads are monotonic, acknowledged writes are seen, no hard limit is passed, every request is answered once."""
    played = play(FIRST_SEED, 1000, make_store)
    assert played.failure is None
    assert played.judged > 8 * 1000


@pytest.mark.slow
def test_none_of_very_many_schedules_breaks_a_promise():
    """The same over as many seeds as the promise says, in two processes; together they judge millions of answers."""
    share = -(-SCHEDULES // PROCESSES)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        parts = [pool.submit(play, FIRST_SEED + number * share, share) for number in range(PROCESSES)]
        played = [part.result() for part in parts]
    assert [part.failure for part in played] == [None] * PROCESSES
    assert sum(part.judged for part in played) > 8 * SCHEDULES


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
        schedule = Schedule(seed, coherence_type=Breakable)
        MUTANTS[name](schedule)
        try:
            schedule.run()
        except Violation:
            return
    pytest.fail(f"{name}: not caught in {MUTANT_SCHEDULES} schedules")
