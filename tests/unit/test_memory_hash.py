"""The keyed hash of keys."""

import os
import subprocess
import sys

import pytest
from memory_tier import make_store

from sidecar.memory._inspection import hash_key

KEYS = [b"a" * size for size in range(1, 40)] + [bytes(range(256)), b"user:42", os.urandom(23)]


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes bytes in another way")
def test_it_is_siphash_1_3() -> None:
    """Python's own hash of bytes is SipHash-1-3; with PYTHONHASHSEED=0 its key is zero, as the store's here."""
    code = f"print([hash(key) & 0xFFFF_FFFF_FFFF_FFFF for key in {KEYS!r}])"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    expected = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert [hash_key(make_store(seed=bytes(16)), key) for key in KEYS] == eval(expected.stdout)


def test_another_seed_gives_other_hashes() -> None:
    """What collides in one process does not in the next."""
    one, other = make_store(seed=bytes(16)), make_store(seed=b"\x01" + bytes(15))
    assert all(hash_key(one, key) != hash_key(other, key) for key in KEYS)


def test_a_seed_has_sixteen_bytes() -> None:
    """A shorter one is refused, never padded."""
    with pytest.raises(ValueError, match="16 bytes"):
        make_store(seed=b"short")
