"""Fuzz the memory tier: any operations, any bytes: answers are the model's or nothing, books and budget hold.

    python tests/fuzz/fuzz_memory.py [operations] [seed]

Seeded: a failure is found again by the seed printed. Pointers are checked where they are used in a debug build
(SIDECAR_DEBUG), which this is meant for.
"""

import random
import sys

from memory_pressure import Pressure

from sidecar.memory._audit import audit

OPERATIONS_PER_STORE = 2_000
SIZES = (1 << 16, 100_000, 1 << 18, 1 << 20)


def fuzz(operations: int, seed: int) -> int:
    """Run about so many operations over several stores. Returns how many look-ups memory answered.

    Raises:
        AssertionError: a wrong answer or unbalanced books; the message names the store's seed.
    """
    answered = 0
    for store_seed in range(seed, seed + max(1, operations // OPERATIONS_PER_STORE)):
        pressure = Pressure(store_seed, random.Random(store_seed).choice(SIZES), hostile=True)
        try:
            for number in range(OPERATIONS_PER_STORE):
                pressure.step()
                if number % 250 == 0:
                    audit(pressure.store)
            audit(pressure.store)
        except AssertionError as error:
            raise AssertionError(f"store seed {store_seed}: {error}") from error
        answered += pressure.answered
    return answered


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]] + [1_000_000, 1][len(sys.argv) - 1 :]
    print(f"{fuzz(*arguments)} look-ups answered from memory, all rightly")
