"""The SDK's errors in our words. Judged by the error's code, not its class: the SDK raises TemporaryFail or
DocumentLocked for a timeout that came after such retries, ambiguous ones included.

Codes are those of couchbase-cxx-client's ``errc``.
"""

from couchbase.exceptions import CouchbaseException

from sidecar.origins.base import UNKNOWN, Cause, Refusal, Refused, WriteAnswer

REQUEST_CANCELED = 2
CAS_MISMATCH = 9
DOCUMENT_NOT_FOUND = 101
DOCUMENT_EXISTS = 105
NOT_SUPPORTED = frozenset({12, 15})  # by this server
PATH_REFUSED = range(113, 132)  # a sub-document path or its value does not fit the document: nothing was changed
MOVED_ON = frozenset({CAS_MISMATCH, DOCUMENT_NOT_FOUND, DOCUMENT_EXISTS})  # someone else wrote: read again

_CAUSES = {
    REQUEST_CANCELED: Cause.CONNECTION_LOST,
    5: Cause.BUSY,  # internal server failure
    6: Cause.AUTHENTICATION,
    7: Cause.BUSY,  # temporary failure
    10: Cause.BUCKET,
    11: Cause.BUCKET,  # collection not found
    13: Cause.TIMEOUT,
    14: Cause.TIMEOUT,
    16: Cause.BUCKET,  # scope not found
    21: Cause.OVERLOADED,  # rate limited
    22: Cause.OVERLOADED,  # quota limited
    103: Cause.BUSY,  # document locked
    108: Cause.BUSY,  # durability impossible: not enough replicas now
    110: Cause.BUSY,  # another durable write of this document is in progress
    111: Cause.BUSY,  # the same, being committed again
    1001: Cause.DNS,  # the host's name was not resolved
    1006: Cause.CLOSED,  # the cluster object was closed
}
_RETRIED_FOR = {
    "key_value_collection_outdated": Cause.BUCKET,  # the collection is not there
    "key_value_locked": Cause.BUSY,
    "key_value_temporary_failure": Cause.BUSY,
    "key_value_sync_write_in_progress": Cause.BUSY,
    "key_value_sync_write_re_commit_in_progress": Cause.BUSY,
}
_REFUSALS = {
    3: Refusal.INVALID,
    12: Refusal.UNSUPPORTED,
    15: Refusal.UNSUPPORTED,
    103: Refusal.LOCKED,
    104: Refusal.DOCUMENT_TOO_LARGE,
    107: Refusal.UNSUPPORTED,  # durability level not available
}
# A mutation that ended so was certainly not applied: the server said no, or (14) it was never sent.
_NOT_APPLIED = frozenset({6, 7, 10, 11, 14, 16, 21, 22, 108, 110, 111})


def code_of(error: CouchbaseException) -> int:
    """The error's code; 0: it has none."""
    return error.error_code or 0


def cause_of(error: CouchbaseException) -> Cause:
    """Why a read, or the connection, failed; of a timeout, what the SDK tried again for until then."""
    cause = _CAUSES.get(code_of(error), Cause.UNREACHABLE)
    if cause is Cause.TIMEOUT:
        for reason in error.error_context.retry_reasons or ():
            if reason in _RETRIED_FOR:
                return _RETRIED_FOR[reason]
    return cause


def answer_of(error: CouchbaseException) -> WriteAnswer:
    """What became of a mutation that ended with ``error``; whatever is not known to be harmless is Unknown."""
    code = code_of(error)
    if code in _REFUSALS:
        return Refused(_REFUSALS[code])
    if code in _NOT_APPLIED:
        return Refused(Refusal.NOT_SENT, cause_of(error))
    return UNKNOWN
