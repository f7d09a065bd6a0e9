"""The faulty origin is an origin like any other until it is told to fail, and then fails as told."""

import pytest
from unit.origin_contract import OriginContract
from unit.origin_expiry_contract import ExpiryContract, KnownExpiryContract
from unit.origin_field_expiry_contract import FieldExpiryContract
from unit.origin_scan_contract import ScanContract
from unit.origin_subject import OriginSubject
from virtual_loop import VirtualLoop

from chaos.faulty_origin import HEALTHY, FaultyOrigin, OriginFaults, parse_faults
from sidecar.clock import ManualClock
from sidecar.origins.base import (
    UNKNOWN,
    Applied,
    Cause,
    Found,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.origins.memory import MemoryOrigin
from sidecar.resilience.deadline import Deadline


@pytest.fixture
def subject():
    clock = ManualClock()
    return OriginSubject(FaultyOrigin(MemoryOrigin(clock), clock), clock)


class TestHealthyContract(OriginContract, ExpiryContract, KnownExpiryContract, FieldExpiryContract, ScanContract):
    """All suites pass through it."""


class Faulty:
    """One on virtual time, with a document in it."""

    def __init__(self, faults: OriginFaults) -> None:
        self.loop = VirtualLoop()
        self.origin = FaultyOrigin(MemoryOrigin(self.loop.clock), self.loop.clock)
        self.loop.run(self.write(b"v"))
        self.origin.faults = faults

    def deadline(self) -> Deadline:
        return Deadline.after(250, self.loop.clock.now_ns())

    async def read(self):
        return (await self.origin.fetch_many([Read(b"k")], self.deadline()))[0]

    async def write(self, value: bytes):
        return (await self.origin.write_many([SetValue(b"k", value)], self.deadline()))[0]

    def outcomes(self, calls: int) -> dict[str, int]:
        """How many of so many reads ended how."""
        ends: dict[str, int] = {}
        for _ in range(calls):
            try:
                end = type(self.loop.run(self.read())).__name__
            except (OriginTimeout, OriginUnavailable) as error:
                end = type(error).__name__
            ends[end] = ends.get(end, 0) + 1
        return ends


def test_latency_passes_before_the_answer():
    """And past the deadline there is a timeout, at the deadline."""
    faulty = Faulty(OriginFaults(latency_s=0.1))
    began = faulty.loop.time()
    assert faulty.loop.run(faulty.read()) == Found(b"v")
    assert faulty.loop.time() - began == pytest.approx(0.1)
    faulty.origin.faults = OriginFaults(latency_s=0.3)
    with pytest.raises(OriginTimeout):
        faulty.loop.run(faulty.read())
    assert faulty.loop.time() - began == pytest.approx(0.35)


def test_errors_and_partial_answers_are_shares():
    """Half of the calls fail altogether; or a tenth of the documents."""
    ends = Faulty(OriginFaults(errors=0.5)).outcomes(400)
    assert ends.keys() == {"Found", "OriginUnavailable"} and 150 < ends["Found"] < 250
    ends = Faulty(OriginFaults(partial=0.1)).outcomes(400)
    assert ends.keys() == {"Found", "Failed"} and 15 < ends["Failed"] < 70


def test_a_call_that_hangs_ends_at_its_deadline():
    """A read times out; a write's outcome is unknown, and sometimes it was applied."""
    faulty = Faulty(OriginFaults(hang=True))
    began = faulty.loop.time()
    assert faulty.outcomes(1) == {"OriginTimeout": 1}
    assert faulty.loop.time() - began == pytest.approx(0.25)
    seen = set()
    for number in range(20):
        assert faulty.loop.run(faulty.write(b"%d" % number)) == UNKNOWN
        faulty.origin.faults = HEALTHY
        seen.add(faulty.loop.run(faulty.read()) == Found(b"%d" % number))
        faulty.origin.faults = OriginFaults(hang=True)
    assert seen == {True, False}


def test_down_fails_at_once_and_lost_answers_are_unknown():
    """Certainly not sent; and applied, but nobody knows."""
    faulty = Faulty(OriginFaults(down=True, latency_s=1))
    began = faulty.loop.time()
    assert faulty.outcomes(1) == {"OriginUnavailable": 1}
    assert faulty.loop.run(faulty.write(b"w")) == Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)
    assert faulty.loop.time() == began
    faulty.origin.faults = OriginFaults(lost=1.0)
    assert faulty.loop.run(faulty.write(b"w")) == UNKNOWN
    assert faulty.loop.run(faulty.read()) == Found(b"w")
    faulty.origin.faults = HEALTHY
    assert faulty.loop.run(faulty.write(b"x")) == Applied((True, None))
    assert faulty.origin.calls["reads"] == 2 and faulty.origin.calls["writes"] == 4


def test_faults_are_said_in_words():
    """As another process says them."""
    assert parse_faults("") == HEALTHY
    assert parse_faults("latency=20ms jitter=5ms errors=50% partial=1% lost=2% hang down") == OriginFaults(
        0.02, 0.005, 0.5, 0.01, 0.02, True, True
    )
    for text in ("latency", "errors=half", "slow", "latency=20", "hang=1"):
        with pytest.raises(ValueError, match="expected"):
            parse_faults(text)
