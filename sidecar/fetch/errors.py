"""The texts that clients see when the origin could not do what they asked.

None begins with LOADING, BUSY, TRYAGAIN, CLUSTERDOWN, MASTERDOWN, READONLY, MOVED or ASK: those make clients retry
or reconnect, which would multiply the load on an origin in trouble.
"""

from sidecar.origins.base import Cause, Refusal, Refused, Unknown

OVERLOADED = b"OVERLOADED too many requests wait for the origin"
UNKNOWN_OUTCOME = b"UNKNOWN the write may or may not have been applied"
WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def unavailable_error(cause: Cause, budget_ms: int) -> bytes:
    """The error of a read, or of a write that was not sent; ``budget_ms`` is the request's whole deadline."""
    if cause is Cause.TIMEOUT:
        return b"TIMEOUT the origin did not answer within %dms" % budget_ms
    if cause is Cause.OVERLOADED:
        return OVERLOADED
    return b"UNAVAILABLE the origin is down: " + str(cause.value).encode()


def write_error(answer: Refused | Unknown, budget_ms: int = 2000) -> bytes:
    """The error of a write that was refused, not sent, or whose outcome is unknown."""
    if isinstance(answer, Unknown):
        return UNKNOWN_OUTCOME
    if answer.reason is Refusal.WRONG_TYPE:
        return WRONG_TYPE
    if answer.reason is Refusal.NOT_SENT:
        return unavailable_error(answer.cause or Cause.UNREACHABLE, budget_ms)
    return b"ERR the origin refused the write: " + str(answer.reason.value).encode()
