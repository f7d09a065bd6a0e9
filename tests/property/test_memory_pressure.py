"""Under pressure the memory tier forgets but never errs: what it answers is what the model holds."""

import pytest
from memory_pressure import Pressure

from sidecar.memory._audit import audit


@pytest.mark.parametrize("max_memory", [1 << 16, 1 << 17, 1 << 18])
@pytest.mark.parametrize("seed", range(2))
def test_answers_stay_right_and_books_balanced_under_pressure(seed: int, max_memory: int) -> None:
    """Ten times what fits goes through: every answer is the model's, the budget holds, something is still answered."""
    pressure = Pressure(seed, max_memory)
    for number in range(6000):
        pressure.step()
        if number % 500 == 0:
            audit(pressure.store)
    audit(pressure.store)
    assert pressure.store.evictions["capacity"] > 100
    assert pressure.store.evictions["too_large"] > 0
    assert pressure.answered > 50
