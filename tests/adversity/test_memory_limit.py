"""--max-memory is the process's growth, not only the tier's own count (F9)."""

import os
import random

from adversity.process_memory import peak_resident_bytes, resident_bytes
from compat.wire import Wire, encode

MIB = 1024 * 1024
LIMIT_MIB = int(os.environ.get("MEMORY_LIMIT_MIB", "64"))  # smaller ones do not show among what the interpreter needs
TIMES = 10
SLACK = 1.05
POLICY = "version: 1\ndefaults: {ttl: 1h, write_deadline: 30s}\n"


def test_memory_stays_within_its_limit_after_ten_times_as_much_was_written(start):
    """Written through the proxy, read back in between: the peak is at most 5% over the limit, evictions counted."""
    sidecar = start("--max-memory", f"{LIMIT_MIB}MiB", origin="sqlite:///./features.db", policy=POLICY)
    wire = Wire(sidecar.connect())
    ready = resident_bytes(sidecar.process.pid)
    chance = random.Random(1)
    material = chance.randbytes(256 * 1024)
    written = number = 0
    while written < TIMES * LIMIT_MIB * MIB:
        commands = []
        for _ in range(16):
            size = chance.randrange(100, 60_000)
            commands.append(encode([b"SET", b"key:%d" % number, material[number % 1000 :][:size]]))
            written += size
            number += 1
        assert wire.exchange_raw(b"".join(commands)) == b"+OK\r\n" * 16
        if number % 160 == 0:
            assert wire.one(b"STRLEN", b"key:%d" % chance.randrange(number)) != b":0\r\n"
    growth = peak_resident_bytes(sidecar.process.pid) - ready
    assert growth <= SLACK * LIMIT_MIB * MIB, f"{growth / MIB:.1f} MiB"
    assert growth >= 0.8 * LIMIT_MIB * MIB, "the memory tier was not used"
    assert sidecar.metric("memory_used_bytes") <= sidecar.metric("memory_limit_bytes") == LIMIT_MIB * MIB
