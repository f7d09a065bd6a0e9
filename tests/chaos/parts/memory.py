"""F9: the memory limit is real, and making room never takes long."""

import time
from collections.abc import Sequence
from pathlib import Path

from adversity.process_memory import forget_peak, peak_resident_bytes, resident_bytes
from compat.wire import Wire, encode

from chaos.faulty_sidecar import FaultySidecar
from chaos.section import Section, Verdict

MIB = 1 << 20
POLICY = "version: 1\ndefaults: {ttl: 1h, deadline: 20s, write_deadline: 20s}\n"
VALUE, BATCH, TIMED_BATCH = b"v" * 1000, 200, 10  # of a longer pipeline the commands themselves take a millisecond
LIMIT_MIB = 64  # smaller ones do not show among what the interpreter needs
EXPIRING = [b"PX", b"2000"]  # every tenth key of the timed server


def measure(folder: Path, quick: bool) -> Section:
    """Write ten times what may be kept; on one server to see its memory, on one, a part of it expiring, to time steps."""
    times = 2 if quick else 10
    grown, used = _grown(folder / "plain", times)
    steps = _steps(folder / "timed", times)
    over = ", ".join(f"{count} x {name}" for name, count in steps["over_limit"].items()) or "none"
    return Section(
        "The memory limit is real (F9)",
        f"--max-memory {LIMIT_MIB}MiB; {times * LIMIT_MIB} MiB of 1,000-byte values are written over SQLite, and read once. On a "
        f"second server every tenth of them lives for two seconds only, and each step of the loop is timed.",
        [
            Verdict(
                f"growth of the resident set after writing {times}x", "<= 1.05x of the limit",
                f"{grown / LIMIT_MIB / MIB:.3f}x", grown <= 1.05 * LIMIT_MIB * MIB,
            ),
            Verdict("memory_used_bytes", "<= the limit", f"{used / LIMIT_MIB / MIB:.3f}x", used <= LIMIT_MIB * MIB),
            Verdict(
                "longest step while evicting and expiring, CPU", "<= 1 ms",
                f"{steps['longest_ms']:.2f} ms ({steps['longest']}); over: {over}", steps["longest_ms"] <= 1,
            ),
        ],
    )  # fmt: skip


def _grown(folder: Path, times: int) -> tuple[int, float]:
    """How much the resident set rose at most, and what the tier says it uses."""
    folder.mkdir()
    sidecar = FaultySidecar(folder, "--max-memory", f"{LIMIT_MIB}MiB", origin="sqlite:///./features.db", policy=POLICY)
    try:
        pid = sidecar.process.pid
        before = resident_bytes(pid)
        forget_peak(pid)
        _write(sidecar, times, BATCH)
        return peak_resident_bytes(pid) - before, sidecar.metric("memory_used_bytes")
    finally:
        sidecar.stop()


def _steps(folder: Path, times: int) -> dict[str, object]:
    folder.mkdir()
    sidecar = FaultySidecar(
        folder, "--max-memory", f"{LIMIT_MIB}MiB", origin="sqlite:///./features.db", policy=POLICY, meter=True
    )
    try:
        _write(sidecar, 1, BATCH)
        sidecar.steps()
        _write(sidecar, min(times, 3), TIMED_BATCH, EXPIRING)
        time.sleep(3)
        return sidecar.steps()
    finally:
        sidecar.stop()


def _write(sidecar: FaultySidecar, times: int, batch_size: int, expiring: Sequence[bytes] = ()) -> None:
    """So many times the limit; every tenth key with an expiry, if there is one."""
    wire = Wire(sidecar.connect())
    keys = times * LIMIT_MIB * MIB // (len(VALUE) + 30)
    for first in range(0, keys, batch_size):
        batch = [b"key:%012d" % number for number in range(first, first + batch_size)]
        requests = [
            encode([b"SET", key, VALUE, *(expiring if place % 10 == 0 else [])]) for place, key in enumerate(batch)
        ]
        assert wire.exchange_raw(b"".join(requests)) == b"+OK\r\n" * batch_size
        reads = wire.exchange_raw(b"".join(encode([b"GET", key]) for key in batch))
        assert reads.count(b"$1000\r\n") + reads.count(b"$-1\r\n") == batch_size
    wire.close()
