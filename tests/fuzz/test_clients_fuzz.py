"""A short run of the clients' fuzzer; FUZZ_INPUTS makes it longer."""

import os

from fuzz.fuzz_clients import fuzz


def test_clients_that_do_as_they_like_receive_what_they_asked_for() -> None:
    """However they send, read and leave: their replies in order, no turn without work, nothing held afterwards."""
    fuzz(min(int(os.environ.get("FUZZ_INPUTS", "10000")) // 200, 1000))
