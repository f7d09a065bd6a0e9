"""F1: no value is served past its hard limit, with clock jumps, paused fills and origin outages, judged by an oracle.

JUDGED_READS in the environment says how many answers from memory are to be judged (10,000,000 in CI).
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from schedules.history import Violation
from schedules.mutants import MUTANTS, Breakable
from schedules.playing import storm
from schedules.read_storm import ReadStorm

JUDGED_READS = int(os.environ.get("JUDGED_READS", "10000000" if os.environ.get("CI") else "500000"))
PROCESSES = 2


def test_no_read_in_a_storm_passes_a_hard_limit():
    """A few storms, as a sample."""
    played = storm(0, 20_000)
    assert played.failure is None
    assert played.judged >= 20_000


@pytest.mark.slow
def test_none_of_very_many_reads_passes_a_hard_limit():
    """As many as the promise says, in two processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        parts = [pool.submit(storm, 1_000_000 * (number + 1), JUDGED_READS // PROCESSES) for number in range(PROCESSES)]
        played = [part.result() for part in parts]
    assert [part.failure for part in played] == [None] * PROCESSES
    assert sum(part.judged for part in played) >= JUDGED_READS


@pytest.mark.parametrize("name", ["ages begin at arrival", "expiries are forgotten", "fills ignore the generation"])
def test_a_storm_notices(name):
    """With one rule of ages or of coherence disabled, a storm finds an answer that was too old."""
    with pytest.raises(Violation):
        for seed in range(50):
            schedule = ReadStorm(seed, coherence_type=Breakable)
            MUTANTS[name](schedule)
            schedule.run()
