"""The request fuzzer as a test: FUZZ_INPUTS and FUZZ_SEED in the environment choose how much and what."""

import os

from fuzz import fuzz_protocol


def test_any_bytes_are_commands_or_a_violation():
    """Any bytes: commands or ProtocolViolation, same result whole or split, memory within limits."""
    count = int(os.environ.get("FUZZ_INPUTS", "5000"))
    tried = fuzz_protocol.fuzz(count, int(os.environ.get("FUZZ_SEED", "1")))
    assert tried > count
