"""The origin's interface: what the miss path asks of SQLite, memory and Couchbase alike.

Keys and fields are the client's own bytes; how an origin stores them is its own business. Every method is a
coroutine that ends by its deadline. The contract suite (tests/unit/origin_contract) passes on every origin.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from msgspec import Struct

from sidecar.resilience.deadline import Deadline


class Cause(Enum):
    """Why an origin could not answer: a closed list, its values are what clients and metrics see."""

    TIMEOUT = "timeout"
    CONNECTION_REFUSED = "connection refused"
    CONNECTION_LOST = "connection lost"
    UNREACHABLE = "unreachable"
    DNS = "host not found"
    AUTHENTICATION = "authentication failed"
    BUCKET = "bucket not found"
    CERTIFICATE = "certificate not accepted"
    BREAKER_OPEN = "breaker open"
    OVERLOADED = "overloaded"
    BUSY = "temporarily unable"
    STORAGE = "storage failure"
    CLOSED = "closed"


class OriginError(Exception):
    """The origin did not do what was asked of it; ``cause`` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class OriginUnavailable(OriginError):
    """Nothing could be asked (connection, authentication, breaker open)."""


class OriginTimeout(OriginError):
    """The deadline passed before the answer came."""

    def __init__(self) -> None:
        super().__init__(Cause.TIMEOUT)


class _Value(Struct, frozen=True, gc=False):
    """What goes between the miss path and an origin, several for each request: made in a sixth of a NamedTuple's time
    (0.1 us against 0.6), and nothing that the garbage collector looks at.
    """


class Read(_Value, frozen=True):
    """One document to read: ``fields`` None means whole."""

    key: bytes
    fields: tuple[bytes, ...] | None = None


class Found(_Value, frozen=True):
    """A present document.

    Attributes:
        value: a string's bytes, or a hash as {field: value} with only live, non-null fields.
        whole: the hash was read whole (always True for strings).
        expiry_ms: the earliest wall-clock expiry known for the document or any field returned; None: none known.
    """

    value: bytes | dict[bytes, bytes]
    whole: bool = True
    expiry_ms: int | None = None


class Absent(_Value, frozen=True):
    """The origin has no such document."""


class Failed(_Value, frozen=True):
    """This document could not be read though others could."""

    cause: Cause


OriginAnswer = Found | Absent | Failed
ABSENT = Absent()


class Condition(Enum):
    """When a write applies."""

    ALWAYS = "always"
    IF_ABSENT = "NX"
    IF_PRESENT = "XX"
    IF_GREATER = "GT"
    IF_LESS = "LT"


class Refusal(Enum):
    """Why an origin refused a write: certain that nothing was applied. Values are what clients see."""

    WRONG_TYPE = "wrong type"
    DOCUMENT_TOO_LARGE = "document larger than 20 MiB"
    KEY_TOO_LONG = "key longer than 246 bytes"
    NOT_SENT = "not sent"  # `cause` tells why: safe to answer UNAVAILABLE or OVERLOADED
    UNSUPPORTED = "not supported by this origin"
    LOCKED = "document locked"
    INVALID = "invalid request"


class Applied(_Value, frozen=True):
    """The write was confirmed. ``result`` is described at each method."""

    result: object = None


class Refused(_Value, frozen=True):
    """The write was certainly not applied."""

    reason: Refusal
    cause: Cause | None = None


class Unknown(_Value, frozen=True):
    """The write may or may not have been applied."""


WriteAnswer = Applied | Refused | Unknown
UNKNOWN = Unknown()
KEEP = "keep"


class SetValue(_Value, frozen=True):
    """Set a string. Applied.result: (did_set: bool, previous: bytes | None).

    A condition that does not hold is Applied with did_set False. With ``want_previous`` a hash in the way is
    Refused(WRONG_TYPE); without it SET replaces a hash, as in Redis.
    """

    key: bytes
    value: bytes
    condition: Condition = Condition.ALWAYS
    expiry_ms: int | None = None  # wall clock; None: no expiry; a time in the past deletes
    keep_expiry: bool = False
    want_previous: bool = False


class HashSet(_Value, frozen=True):
    """Set fields of a hash, clearing their own expiries. Applied.result: int, fields added.

    ``only_absent`` (HSETNX) sets nothing where the field is there, and result is 0.
    """

    key: bytes
    fields: dict[bytes, bytes]
    only_absent: bool = False


class HashDelete(_Value, frozen=True):
    """Remove fields; the document goes with its last one. Applied.result: int, fields removed."""

    key: bytes
    fields: tuple[bytes, ...]


class Delete(_Value, frozen=True):
    """Remove a document of any kind. Applied.result: bool, was there."""

    key: bytes


class Expire(_Value, frozen=True):
    """Set (or with None clear) a document's expiry. Applied.result: bool, as EXPIRE's or PERSIST's 1 or 0.

    A time in the past deletes (result True). No expiry counts as infinite for GT and LT.
    """

    key: bytes
    expiry_ms: int | None
    condition: Condition = Condition.ALWAYS


class GetAndExpire(_Value, frozen=True):
    """GETEX: read a string and set (None: clear) its expiry. Applied.result: bytes | None."""

    key: bytes
    expiry_ms: int | None


class GetAndDelete(_Value, frozen=True):
    """GETDEL. Applied.result: bytes | None."""

    key: bytes


class FieldExpire(_Value, frozen=True):
    """HEXPIRE family (None: HPERSIST). Applied.result: list[int], Redis's code per field in the order asked.

    -2 no such field or key; 0 condition not met; 1 set; 2 deleted (time in the past); HPERSIST: -1 had no expiry.
    """

    key: bytes
    fields: tuple[bytes, ...]
    expiry_ms: int | None
    condition: Condition = Condition.ALWAYS


Write = SetValue | HashSet | HashDelete | Delete | Expire | GetAndExpire | GetAndDelete | FieldExpire


class Expiries(NamedTuple):
    """What TTL, HTTL and their family ask: always the origin's word.

    Attributes:
        document: epoch ms, -1 no expiry, -2 no such document.
        fields: per field asked: epoch ms, -1 no expiry, -2 no such field; empty when no fields were asked.
        is_hash: the document is a hash (HTTL on a string is WRONGTYPE).
    """

    document: int
    fields: tuple[int, ...] = ()
    is_hash: bool = False


class ScanPage(NamedTuple):
    """One page of keys. ``position`` None: the walk is over. Kinds: b"string" or b"hash"."""

    position: bytes | None
    keys: list[tuple[bytes, bytes]]


class Origin(ABC):
    """Where the data lives. Built unconnected; ``start`` must not block on a dead server."""

    name: str = "origin"  # label of metrics: sqlite, memory, couchbase
    reads_whole: bool = True  # what ``prefers_whole`` answers, unless an origin judges by the read
    max_reads_per_fetch: int = 1000
    # Whether the same read, asked a second time while the first is late, may be answered sooner: only where there is
    # another way to the same truth. Of ours none has: SQLite has one reader thread, a Couchbase document one active
    # node, its connection answers in order, and its replicas may be behind.
    supports_hedging: bool = False

    def prefers_whole(self, key: bytes, fields: tuple[bytes, ...]) -> bool:
        """Whether a read of ``fields`` should ask for the whole document, which serves the next reads too."""
        return self.reads_whole

    def refresh_credentials(self) -> bool:
        """Look whether files of credentials changed, and go by the new ones; True: they did.

        Raises:
            SecretFileError, OriginSetupError: what they changed into cannot be used; the old ones stay.
        """
        return False

    async def start(self) -> None:
        """Open, or begin to connect in the background."""

    async def close(self) -> None:
        """Finish what was acknowledged and let go of everything. Idempotent."""

    @abstractmethod
    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        """Ask for several documents, whole or some fields of each, in one round trip.

        Args:
            reads: 1 to max_reads_per_fetch, no document twice.
            deadline: the request's remaining time; passed down, never restarted.

        Returns:
            One answer per read, in the order asked.

        Raises:
            OriginUnavailable: nothing could be asked.
            OriginTimeout: the deadline passed.
        """

    @abstractmethod
    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        """Apply writes; those on one key in the order given. Not atomic together.

        Never raises for a single write's fate: each gets Applied, Refused or Unknown, in the order given.
        """

    @abstractmethod
    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Expiries:
        """The document's and the fields' own expiries.

        Raises:
            OriginUnavailable, OriginTimeout.
        """

    @abstractmethod
    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> ScanPage:
        """A page of about ``count`` keys from ``position`` (None: the start); ``match`` is a Redis glob.

        Every key present during the whole walk is returned at least once.

        Raises:
            OriginUnavailable, OriginTimeout, NotImplementedError (with a message for the client).
        """

    async def count(self, deadline: Deadline) -> int | None:
        """How many documents there are, where that is cheap; None elsewhere."""
        return None
