"""Documents in Couchbase, through the official SDK. Importing this imports the SDK: do so only for its URL.

A hash is one JSON document, a string a binary one; see ``docs/couchbase.md``.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from policies.documents import DocumentAddress
from sidecar.clock import Clock
from sidecar.logs import logger
from sidecar.origins import stored_document
from sidecar.origins.base import (
    UNKNOWN,
    Cause,
    Expiries,
    Failed,
    Origin,
    OriginAnswer,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    ScanPage,
    Write,
    WriteAnswer,
)
from sidecar.origins.couchbase_calls import CouchbaseCalls, DeadlinePassed
from sidecar.origins.couchbase_connection import CouchbaseConnection
from sidecar.origins.couchbase_credentials import CouchbaseCredentials
from sidecar.origins.couchbase_documents import RawTranscoder, default_address
from sidecar.origins.couchbase_reads import CouchbaseReads
from sidecar.origins.couchbase_url import parse_couchbase_url
from sidecar.origins.couchbase_writes import CouchbaseWrite
from sidecar.origins.document import DtypeOf
from sidecar.resilience.deadline import Deadline
from sidecar.secret import Secret, SecretFile

_CLOSE_TIMEOUT_S = 1.0  # a native sidecar has 2 s to end in all
_TIMED_OUT = Failed(Cause.TIMEOUT)
# Any other cause is the cluster's word on one document.
_NO_ANSWER = {Cause.TIMEOUT, Cause.CONNECTION_LOST, Cause.CLOSED}
_NOT_REACHED = Refused(Refusal.NOT_SENT, Cause.TIMEOUT)
_log = logger("couchbase")


class CouchbaseOrigin(Origin):
    """One bucket of a Couchbase cluster."""

    name = "couchbase"

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        dtype_of: DtypeOf | None = None,
        documents: Callable[[bytes], DocumentAddress] | None = None,
        username: str | None = None,
        password: Secret | SecretFile | None = None,
        certificate: str | None = None,
        key: str | None = None,
        ca: str | None = None,
        bootstrap_timeout_s: float = 10.0,
        longest_pause_s: float = 10.0,
    ) -> None:
        """Nothing is connected yet.

        Args:
            url: couchbase[s]://HOST[:PORT][,HOST...]/BUCKET[?OPTIONS]; the options go to the SDK.
            clock: for deadlines and expiries.
            dtype_of: (key, field) -> the policy's dtype, asked at each write; None: all text is kept as text.
            documents: key -> where its document lives; None: the default collection, under the key itself.
            username: of a user who may read and write the bucket's documents.
            password: its password.
            certificate, key: files (PEM) of a client certificate, in place of a user.
            ca: a file (PEM) of the authority that signed the cluster's certificates.
            bootstrap_timeout_s: how long one attempt to connect may take.
            longest_pause_s: between attempts; the first pauses are shorter.

        Raises:
            OriginSetupError: the URL is not understood, or the credentials are not such as it takes.
        """
        parsed = parse_couchbase_url(url)
        self._credentials = CouchbaseCredentials(
            tls=parsed.tls, username=username, password=password, certificate=certificate, key=key, ca=ca
        )
        self._clock = clock
        self._dtype_of = dtype_of
        self._address_of = documents or default_address
        self._connection = CouchbaseConnection(
            parsed, self._credentials, RawTranscoder(), bootstrap_timeout_s, longest_pause_s
        )
        self._calls = CouchbaseCalls(clock)
        self._reads = CouchbaseReads(self._connection, clock, self._address_of)

    @property
    def connected(self) -> bool:
        """The bucket was opened; from then on the SDK mends what breaks."""
        return self._connection.connected

    def refresh_credentials(self) -> bool:
        if not self._credentials.refresh():
            return False
        self._connection.renew()
        return True

    async def start(self) -> None:
        self._connection.start()

    async def close(self) -> None:
        await self._connection.close()
        await self._calls.drain(_CLOSE_TIMEOUT_S)

    # Reads --------------------------------------------------------------------------------------------------------

    def prefers_whole(self, key: bytes, fields: tuple[bytes, ...]) -> bool:
        return self._reads.prefers_whole(key, fields)

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        time_left = await self._ready(deadline)
        tasks = await self._calls.gather(self._reads.calls(reads, time_left), deadline)
        answers: list[OriginAnswer] = [_TIMED_OUT] * len(reads)
        for task in tasks:
            for at, answer in task.result() if task.done() else ():
                answers[at] = answer
        self._judge(answers)
        return answers

    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Expiries:
        time_left = await self._ready(deadline)
        (task,) = await self._calls.gather(
            [self._reads.document(self._address_of(key), time_left, with_expiry=True)], deadline
        )
        found = task.result() if task.done() else _TIMED_OUT
        if isinstance(found, Failed):
            self._judge([found])
            raise OriginUnavailable(found.cause)
        return stored_document.expiries(found, fields, self._clock.wall_ms())

    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> ScanPage:
        raise NotImplementedError("SCAN is not supported on a Couchbase origin")

    async def _ready(self, deadline: Deadline) -> timedelta:
        """Wait for the first connection where there is hope; the time a call may take."""
        await self._connection.ready(deadline.remaining_s(self._clock.now_ns()))
        try:
            return self._calls.timeout(deadline)
        except DeadlinePassed:
            raise OriginTimeout from None

    def _judge(self, answers: Sequence[OriginAnswer]) -> None:
        """Raise where the cluster answered nothing at all, with why as far as that is known."""
        causes = {answer.cause if isinstance(answer, Failed) else None for answer in answers}
        if not causes <= _NO_ANSWER:
            self._connection.works()
        elif causes != {Cause.TIMEOUT}:
            raise OriginUnavailable(next(cause for cause in causes if cause and cause is not Cause.TIMEOUT))
        else:
            self._connection.suspect()
            if self._connection.cause is not None:
                raise OriginUnavailable(self._connection.cause)
            raise OriginTimeout

    # Writes -------------------------------------------------------------------------------------------------------

    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        try:
            await self._connection.ready(deadline.remaining_s(self._clock.now_ns()))
        except (OriginUnavailable, OriginTimeout) as exc:
            return [Refused(Refusal.NOT_SENT, exc.cause)] * len(writes)
        by_key: dict[bytes, list[int]] = {}
        for at, write in enumerate(writes):
            by_key.setdefault(write.key, []).append(at)
        batch = _Batch(writes, [_NOT_REACHED] * len(writes), deadline)
        await self._calls.gather([self._write_in_order(batch, ats) for ats in by_key.values()], deadline)
        return self._explained(batch.close())

    def _explained(self, answers: list[WriteAnswer]) -> list[WriteAnswer]:
        """The answers as they are now; not sent for want of time gets the cause of that, once it is known."""
        if _NOT_REACHED not in answers:
            return list(answers)
        self._connection.suspect()
        not_sent = Refused(Refusal.NOT_SENT, self._connection.cause or Cause.TIMEOUT)
        return [not_sent if answer == _NOT_REACHED else answer for answer in answers]

    async def _write_in_order(self, batch: "_Batch", ats: list[int]) -> None:
        """The writes of one key, one after the other."""
        for at in ats:
            write = batch.writes[at]
            address = self._address_of(write.key)
            try:
                collection = await self._connection.collection(address.bucket, address.scope, address.collection)
            except OriginUnavailable as exc:
                batch.answers[at] = Refused(Refusal.NOT_SENT, exc.cause)
                continue
            if batch.closed:
                return
            batch.under_way[at] = sending = CouchbaseWrite(
                write, collection, address, self._calls, self._clock, self._dtype_of, batch.deadline
            )
            answer = await self._apply(sending)
            if batch.closed:
                return
            batch.answers[at] = answer
            del batch.under_way[at]

    async def _apply(self, write: CouchbaseWrite) -> WriteAnswer:
        try:
            return await write.apply()
        except DeadlinePassed:
            return _NOT_REACHED
        except Exception as exc:  # our own bug must not take the other writes' answers with it
            if self._connection.connected:
                _log.error("write_failed", exc_info=exc)
            return UNKNOWN


class _Batch:
    """Writes that were given together, and what is known of each.

    Attributes:
        answers: in the order given; not sent until something else is known.
        under_way: by place, those that are not answered.
        closed: nobody waits any more: nothing further is sent.
    """

    def __init__(self, writes: Sequence[Write], answers: list[WriteAnswer], deadline: Deadline) -> None:
        self.writes = writes
        self.answers = answers
        self.deadline = deadline
        self.under_way: dict[int, CouchbaseWrite] = {}
        self.closed = False

    def close(self) -> list[WriteAnswer]:
        """The answers as they are now: of what was sent and not answered nothing is known."""
        self.closed = True
        for at, write in self.under_way.items():
            if write.give_up():
                self.answers[at] = UNKNOWN
        return self.answers
