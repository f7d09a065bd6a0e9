"""Seeded minutes of traffic over an origin that breaks: the real miss path, judged by an oracle.

SIMULATIONS in the environment says how many, FIRST_SIMULATION where to begin. A seed that fails is printed and kept in
corpus/, whose seeds are played in every run.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from chaos.judgement import judge
from chaos.playing import kept_seeds, play
from chaos.simulation import Simulation

SIMULATIONS = int(os.environ.get("SIMULATIONS", "120" if os.environ.get("CI") else "40"))
FIRST_SEED = int(os.environ.get("FIRST_SIMULATION", "0"))
PROCESSES = 2
ANSWERS = 1000  # that the oracle judges in each simulation, at the least, on average


def test_no_simulation_breaks_a_promise():
    """Whatever happens to the origin: nobody is forgotten or late, nothing too old or lost, no storm of attempts."""
    share = -(-SIMULATIONS // PROCESSES)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        parts = [pool.submit(play, FIRST_SEED + number * share, share) for number in range(PROCESSES)]
        played = [part.result() for part in parts]
    assert [part.failure for part in played] == [None] * PROCESSES
    assert sum(part.judged for part in played) > ANSWERS * SIMULATIONS
    assert len({fault for part in played for fault in part.met}) >= min(8, SIMULATIONS // 5)


def test_seeds_that_once_failed():
    """Each of the corpus."""
    for seed in kept_seeds():
        run = Simulation(seed)
        run.run()
        judge(run)


def test_a_seed_is_played_the_same_every_time():
    """What fails can be looked at again."""
    runs = [Simulation(5), Simulation(5)]
    for run in runs:
        run.run()
    assert runs[0].asked == runs[1].asked and len(runs[0].asked) > 100
    assert runs[0].origin.attempts == runs[1].origin.attempts
