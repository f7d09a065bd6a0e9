"""The memory origin keeps the contract, answers at once, and fails as a test asks it to."""

import pytest
from unit.origin_contract import OriginContract
from unit.origin_expiry_contract import ExpiryContract, KnownExpiryContract
from unit.origin_field_expiry_contract import FieldExpiryContract
from unit.origin_scan_contract import ScanContract
from unit.origin_subject import OriginSubject

from sidecar.clock import ManualClock
from sidecar.origins import OriginSetupError, open_origin
from sidecar.origins.base import (
    ABSENT,
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
from sidecar.resilience.deadline import Deadline


@pytest.fixture
def subject():
    clock = ManualClock()
    return OriginSubject(open_origin("memory://", clock=clock), clock)


class TestMemoryContract(OriginContract, ExpiryContract, KnownExpiryContract, FieldExpiryContract, ScanContract):
    """One origin, all suites."""


def finish(coroutine):
    """The result of a coroutine that must not suspend."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value


def test_every_call_finishes_without_suspending(subject):
    """So that benchmarks of the sidecar pay for no loop of the origin's."""
    origin, deadline = subject.origin, subject.deadline()
    assert finish(origin.write_many([SetValue(b"s", b"v")], deadline)) == [Applied((True, None))]
    assert finish(origin.fetch_many([Read(b"s"), Read(b"t")], deadline)) == [Found(b"v"), ABSENT]
    assert finish(origin.expiries(b"s", (), deadline)).document == -1
    assert finish(origin.scan(None, None, 10, deadline)).keys == [(b"s", b"string")]
    assert finish(origin.count(deadline)) == 1


async def test_failing_asks_nothing(subject):
    """While it fails reads raise the cause, writes are certainly not sent, and later all is as before."""
    await subject.result(SetValue(b"s", b"v"))
    subject.origin.failing = Cause.CONNECTION_REFUSED
    with pytest.raises(OriginUnavailable) as error:
        await subject.read(b"s")
    assert error.value.cause is Cause.CONNECTION_REFUSED
    assert await subject.write(SetValue(b"s", b"w")) == [Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)]
    subject.origin.failing = None
    assert await subject.read(b"s") == Found(b"v")


async def test_latency_ends_by_the_deadline(subject):
    """A slow answer within the deadline comes; past it the read times out and the write was not sent."""
    subject.origin.latency_ms = 5
    assert await subject.result(SetValue(b"s", b"v")) == (True, None)
    soon = Deadline.after(1, subject.clock.now_ns())
    with pytest.raises(OriginTimeout):
        await subject.origin.fetch_many([Read(b"s")], soon)
    late = await subject.origin.write_many([SetValue(b"s", b"w")], soon)
    assert late == [Refused(Refusal.NOT_SENT, Cause.TIMEOUT)]
    assert await subject.read(b"s") == Found(b"v")


@pytest.mark.parametrize("url", ["redis://host", "features.db", "", "memory://host", "memory://?x=1", "sqlite://[x/"])
def test_a_url_that_is_not_understood_is_the_operators_error(url):
    """The error says what is expected."""
    with pytest.raises(OriginSetupError, match="origin: "):
        open_origin(url, clock=ManualClock())


def test_an_error_never_shows_a_password():
    """A password put into the URL by mistake is not repeated in the error."""
    with pytest.raises(OriginSetupError) as error:
        open_origin("mongodb://user:s3cret@host", clock=ManualClock())
    assert "s3cret" not in str(error.value)


def test_latency_by_url():
    """memory://?latency_ms=5 is a slow origin for demonstrations."""
    assert open_origin("memory://?latency_ms=5", clock=ManualClock()).latency_ms == 5
