"""A short run of the memory tier's fuzzer; FUZZ_INPUTS makes it longer."""

import os

from fuzz.fuzz_memory import fuzz


def test_fuzzed_operations_are_answered_rightly() -> None:
    """Hostile keys, names, sizes, reloads and pauses: nothing wrong is answered, and something is."""
    assert fuzz(min(int(os.environ.get("FUZZ_INPUTS", "20000")), 200_000), seed=1) > 500
