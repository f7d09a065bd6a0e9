"""The simulation is not tame: with any one defence switched off some seed breaks a promise."""

import pytest
from schedules.history import Violation

from chaos.judgement import judge
from chaos.mutants import MUTANTS

SEEDS = 8


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_caught(name):
    """And the same simulation with all defences is not."""
    mutant = MUTANTS[name]
    for seed in range(SEEDS):
        run = mutant.simulate(seed)
        mutant.mutate(run)
        try:
            run.run()
            judge(run)
        except Violation:
            whole = mutant.simulate(seed)
            whole.run()
            judge(whole)
            return
    pytest.fail(f"{name}: not caught in {SEEDS} simulations")
