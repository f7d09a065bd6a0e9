"""Reads of one document: whole, or some of its members by a sub-document lookup where that costs less."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from acouchbase.collection import AsyncCollection
from couchbase.exceptions import CouchbaseException
from couchbase.result import GetResult

from policies.documents import DocumentAddress
from sidecar.clock import Clock
from sidecar.origins import couchbase_members, stored_document
from sidecar.origins.base import ABSENT, Cause, Failed, OriginAnswer, OriginUnavailable, Read
from sidecar.origins.couchbase_batches import Outcome, Place
from sidecar.origins.couchbase_connection import CouchbaseConnection
from sidecar.origins.couchbase_documents import FEAST_LAYOUT, as_laid_out
from sidecar.origins.couchbase_errors import DOCUMENT_NOT_FOUND, cause_of, code_of
from sidecar.origins.couchbase_feast import FeastLayout
from sidecar.origins.couchbase_sizes import DocumentSizes
from sidecar.origins.couchbase_writes import read_with_expiry
from sidecar.origins.member_names import encode_name, is_key_too_long
from sidecar.origins.stored_document import Document

Answers = list[tuple[int, OriginAnswer]]


class _Asked(NamedTuple):
    """A read, its place among those given, and where its document is."""

    at: int
    read: Read
    address: DocumentAddress


class CouchbaseReads:
    """Reads through ``connection``, each key where ``address_of`` says."""

    def __init__(
        self, connection: CouchbaseConnection, clock: Clock, address_of: Callable[[bytes], DocumentAddress]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._address_of = address_of
        self._sizes = DocumentSizes()
        self._feast = FeastLayout()

    def prefers_whole(self, key: bytes, fields: tuple[bytes, ...]) -> bool:
        """Whether to ask for the whole document: all but a few members of large ones."""
        address = self._address_of(key)
        few = self._sizes.prefers_members(address, len(fields))
        return not few or couchbase_members.paths_of(fields) is None

    def calls(self, reads: Sequence[Read], time_left: timedelta) -> list[Coroutine[Any, Any, Answers]]:
        """Calls that together read everything: many whole documents of one collection as one, the others one by one.

        Each gives the places of its reads with their answers; what fails is Failed, never raised.
        """
        together: defaultdict[Place, list[_Asked]] = defaultdict(list)
        alone: list[_Asked] = []
        for at, read in enumerate(reads):
            address = self._address_of(read.key)
            asked = _Asked(at, read, address)
            is_plain = read.fields is None and address.layout != FEAST_LAYOUT and not address.document_expiry
            if is_plain and not is_key_too_long(address.document):
                together[address.bucket, address.scope, address.collection].append(asked)
            else:
                alone.append(asked)
        calls: list[Coroutine[Any, Any, Answers]] = []
        for place, group in together.items():
            if self._connection.batches.take(len(group)):
                calls.append(self._read_together(place, group, time_left))
            else:
                alone += group
        return calls + [self._read_alone(asked, time_left) for asked in alone]

    async def _read_together(self, place: Place, group: list["_Asked"], time_left: timedelta) -> Answers:
        """Many documents by one call; decoded in its thread, for a hundred would hold the loop for 2 ms."""
        names = [encode_name(asked.address.document) for asked in group]

        def judge(found: Outcome) -> list[tuple[OriginAnswer, int]]:
            now_ms = self._clock.wall_ms()
            return [_judged(found[name], asked.address, now_ms) for name, asked in zip(names, group, strict=True)]

        try:
            judged = await self._connection.batches.get(place, names, time_left, judge)
        except (CouchbaseException, RuntimeError) as exc:
            failed = self._failed(exc)
            return [(asked.at, failed) for asked in group]
        address = group[0].address
        for _, size in judged:
            if size:
                self._sizes.seen(address, size)
        return [(asked.at, answer) for asked, (answer, _) in zip(group, judged, strict=True)]

    async def _read_alone(self, asked: "_Asked", time_left: timedelta) -> Answers:
        fields = asked.read.fields
        if fields is not None:
            answer = await self._members(asked.address, fields, time_left)
            if answer is not None:
                return [(asked.at, answer)]
        found = await self.document(asked.address, time_left)
        if isinstance(found, Failed):
            return [(asked.at, found)]
        return [(asked.at, stored_document.read(found, fields, self._clock.wall_ms()))]

    async def document(
        self, address: DocumentAddress, time_left: timedelta, *, with_expiry: bool = False
    ) -> Document | Failed | None:
        """The whole document; its expiry where asked for here or by the policy."""
        with_expiry = with_expiry or address.document_expiry
        try:
            if address.layout == FEAST_LAYOUT:
                read = partial(self._get_many, time_left=time_left, with_expiry=with_expiry)
                return await self._feast.read(address, read)
            if is_key_too_long(address.document):
                return None
            collection = await self._connection.collection(address.bucket, address.scope, address.collection)
            found = await _get(collection, encode_name(address.document), time_left, with_expiry)
        except (CouchbaseException, OriginUnavailable, RuntimeError) as exc:
            return self._failed(exc)
        if found is None:
            return None
        self._sizes.seen(address, len(found.body))
        return as_laid_out(found, address)

    async def _get_many(
        self, place: Place, names: list[str], time_left: timedelta, with_expiry: bool
    ) -> list[Document | None]:
        """Documents of one collection as they are stored; None: there is none.

        Raises:
            CouchbaseException, OriginUnavailable: one of them could not be read.
        """
        if not with_expiry and self._connection.batches.take(len(names)):
            found = await self._connection.batches.get(place, names, time_left, dict)
            return [_stored(found[name]) for name in names]
        collection = await self._connection.collection(*place)
        reads = (_get(collection, name, time_left, with_expiry) for name in names)
        results = await asyncio.gather(*reads, return_exceptions=True)
        for result in results:  # once all have ended: none is left behind for another to have failed
            if isinstance(result, BaseException):
                raise result
        return results  # type: ignore[return-value]

    async def _members(
        self, address: DocumentAddress, fields: tuple[bytes, ...], time_left: timedelta
    ) -> OriginAnswer | None:
        """The answer from some members of the document; None: the whole document is needed."""
        paths = couchbase_members.paths_of(fields)
        if not paths or address.layout != "json" or is_key_too_long(address.document):
            return None
        try:
            collection = await self._connection.collection(address.bucket, address.scope, address.collection)
            members = await couchbase_members.look_up(
                collection, encode_name(address.document), fields, paths, time_left
            )
        except (CouchbaseException, OriginUnavailable, RuntimeError) as exc:
            if isinstance(exc, CouchbaseException) and code_of(exc) == DOCUMENT_NOT_FOUND:
                return ABSENT
            return self._failed(exc)
        if members is None:
            return None
        self._sizes.seen(address, members.size)
        return couchbase_members.found(members, fields, self._clock.wall_ms())

    def _failed(self, error: CouchbaseException | OriginUnavailable | RuntimeError) -> Failed:
        """Why nothing was read."""
        if isinstance(error, OriginUnavailable):
            return Failed(error.cause)
        if isinstance(error, CouchbaseException):
            return Failed(cause_of(error))
        if self._connection.connected:
            raise error
        return Failed(Cause.CLOSED)  # the SDK's word for a call on a closed cluster


async def _get(collection: AsyncCollection, document: str, time_left: timedelta, with_expiry: bool) -> Document | None:
    """A document as it is stored; None: there is none.

    Raises:
        CouchbaseException: it could not be read.
    """
    try:
        if with_expiry:
            return (await read_with_expiry(collection, document, time_left))[0]
        found: Document = (await collection.get(document, timeout=time_left)).value
        return found
    except CouchbaseException as exc:
        if code_of(exc) != DOCUMENT_NOT_FOUND:
            raise
        return None


def _stored(found: GetResult | CouchbaseException) -> Document | None:
    """One result of a batch, as ``_get`` gives it."""
    if isinstance(found, CouchbaseException):
        if code_of(found) != DOCUMENT_NOT_FOUND:
            raise found
        return None
    document: Document = found.value
    return document


def _judged(found: GetResult | CouchbaseException, address: DocumentAddress, now_ms: int) -> tuple[OriginAnswer, int]:
    """The answer to a read of a whole document, and the document's bytes."""
    if isinstance(found, CouchbaseException):
        return (ABSENT if code_of(found) == DOCUMENT_NOT_FOUND else Failed(cause_of(found))), 0
    document = as_laid_out(found.value, address)
    return stored_document.read(document, None, now_ms), len(document.body)
