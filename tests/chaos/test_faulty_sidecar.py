"""The tools that `make chaos` measures whole processes with do what its parts take for granted."""

import shutil
import time

import pytest

from chaos.faulty_sidecar import FaultySidecar
from chaos.hits import Hits
from chaos.traffic import NORMAL, POLICY, STALE_KEYS, Reply, cold, prepare, recovered_after_s, stale, succeeded

WAIT_S = 20.0


@pytest.fixture
def sidecar(tmp_path):
    process = FaultySidecar(tmp_path, origin="memory://", policy=POLICY, meter=True)
    yield process
    process.stop()


def until(condition) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_origin_is_broken_and_mended_from_outside(sidecar, tmp_path):
    """Misses fail while it is down and stale keys do not; calls and steps are counted; hits have their price."""
    prepare(sidecar)
    with cold(sidecar, 100) as misses, stale(sidecar, 200) as copies:
        until(lambda: len(misses.replies) > 10)
        assert succeeded(misses.replies) == 1
        before = sidecar.calls()["reads"]
        assert before >= 10
        sidecar.faults("down")
        broke_s = time.monotonic()
        until(lambda: len(misses.between(broke_s, time.monotonic())) > 20)
        assert {reply.error for reply in misses.replies} == {"", "UNAVAILABLE"}
        sidecar.faults(NORMAL)
        mended_s = time.monotonic()
        until(lambda: recovered_after_s(misses.replies, mended_s) < WAIT_S)
        until(lambda: len(copies.replies) > STALE_KEYS)
        assert succeeded(copies.replies) == 1
    seen = sidecar.steps()
    assert seen["steps"] > 100 and seen["longest_ms"] > 0
    with pytest.raises(RuntimeError, match="unknown command"):
        sidecar._ask("nonsense")
    if shutil.which("cc") and shutil.which("taskset"):
        assert 0.05 < Hits(tmp_path).cpu_us(sidecar, 0.2, 1) < 1000


def test_recovery_is_when_a_whole_window_succeeds():
    """Not the first answer that happens to come."""
    replies = [Reply(at / 10, 0.0, "" if at == 3 or at >= 20 else "UNAVAILABLE") for at in range(50)]
    assert recovered_after_s(replies, 0.0) == pytest.approx(2.0, abs=0.11)
    assert recovered_after_s(replies[:15], 0.0) == float("inf")
