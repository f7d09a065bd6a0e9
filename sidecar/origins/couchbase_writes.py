"""Writes to Couchbase: rules that all origins share decide what becomes of a document; it is stored under CAS.

    read document and CAS -> apply the write to it -> insert, replace or remove under that CAS
          ^                                                        |
          +------------- someone else wrote in between ------------+

HSET and HEXPIRE of a few fields do the same with just these members, by sub-document operations.

A write that needs no look at the document (SET without conditions, EXPIRE) goes out directly. DEL does look: a hash
whose fields have all expired stands in Couchbase and is no key. No mutation is ever sent twice unless the server said
that it did not apply the first.
"""

from datetime import timedelta
from typing import Any

from acouchbase.collection import AsyncCollection
from couchbase.durability import DurabilityLevel, ServerDurability
from couchbase.exceptions import CouchbaseException
from couchbase.subdocument import get as get_path
from couchbase.subdocument import get_full
from msgspec.structs import replace

from policies.documents import DocumentAddress
from sidecar.clock import Clock
from sidecar.origins import couchbase_members, stored_document
from sidecar.origins.base import (
    Applied,
    Condition,
    Expire,
    FieldExpire,
    HashSet,
    Refusal,
    Refused,
    SetValue,
    Write,
    WriteAnswer,
)
from sidecar.origins.couchbase_calls import CouchbaseCalls, DeadlinePassed
from sidecar.origins.couchbase_documents import (
    BINARY_LAYOUT,
    FEAST_LAYOUT,
    KEPT_EXPIRY_MS,
    as_laid_out,
    is_json,
)
from sidecar.origins.couchbase_errors import (
    DOCUMENT_NOT_FOUND,
    MOVED_ON,
    PATH_REFUSED,
    REQUEST_CANCELED,
    answer_of,
    cause_of,
    code_of,
)
from sidecar.origins.document import DtypeOf
from sidecar.origins.member_names import encode_name, is_key_too_long
from sidecar.origins.stored_document import KEY_TOO_LONG, WRONG_TYPE, Document
from sidecar.resilience.deadline import Deadline

_DURABILITY = {
    "majority": DurabilityLevel.MAJORITY,
    "majority_and_persist": DurabilityLevel.MAJORITY_AND_PERSIST_TO_ACTIVE,
    "persist_to_majority": DurabilityLevel.PERSIST_TO_MAJORITY,
}
_WITH_EXPIRY = (get_path("$document.exptime", xattr=True), get_path("$document.flags", xattr=True), get_full())


class ReadFailed(Exception):
    """The look at the document failed, so nothing was written."""


async def read_with_expiry(collection: AsyncCollection, document: str, time_left: timedelta) -> tuple[Document, int]:
    """A document with its expiry, and its CAS. One sub-document call, which the SDK does not resend by itself."""
    try:
        result = await collection.lookup_in(document, _WITH_EXPIRY, timeout=time_left)
    except CouchbaseException as exc:
        if code_of(exc) != REQUEST_CANCELED:
            raise
        result = await collection.lookup_in(document, _WITH_EXPIRY, timeout=time_left)
    expiry_s, flags, body = (field["value"].body for field in result.value)
    expiry_ms = int(expiry_s) * 1000 or None
    return Document(body, is_json(int(flags)), expiry_ms), result.cas


class CouchbaseWrite:
    """One write on its way to the document at ``address``."""

    def __init__(
        self,
        write: Write,
        collection: AsyncCollection,
        address: DocumentAddress,
        calls: CouchbaseCalls,
        clock: Clock,
        dtype_of: DtypeOf | None,
        deadline: Deadline,
    ) -> None:
        self._write = write
        self._collection = collection
        self._address = address
        self._document = encode_name(address.document)
        self._calls = calls
        self._clock = clock
        self._dtype_of = dtype_of
        self._deadline = deadline
        level = _DURABILITY.get(address.durability)
        self._sent = False  # a mutation is on its way: what becomes of it is not known before its answer
        self._given_up = False
        self._durable: dict[str, Any] = {} if level is None else {"durability": ServerDurability(level)}

    def give_up(self) -> bool:
        """Nobody waits any more. True: it may take effect yet; False: it never will, for no mutation was sent."""
        self._given_up = True
        return self._sent

    async def apply(self) -> WriteAnswer:
        """Send it, and say what became of it.

        Raises:
            DeadlinePassed: before anything took effect.
        """
        if is_key_too_long(self._address.document):
            return KEY_TOO_LONG
        if self._address.layout == FEAST_LAYOUT:
            return Refused(Refusal.UNSUPPORTED)
        if self._address.layout == BINARY_LAYOUT and isinstance(self._write, HashSet):
            return WRONG_TYPE  # there are only strings, and none may become a hash
        try:
            return await self._apply()
        except ReadFailed as exc:
            assert isinstance(exc.__cause__, CouchbaseException)
            return Refused(Refusal.NOT_SENT, cause_of(exc.__cause__))
        except CouchbaseException as exc:
            return answer_of(exc)

    async def _apply(self) -> WriteAnswer:
        write = self._write
        if isinstance(write, Expire) and write.condition is Condition.ALWAYS and write.expiry_ms is not None:
            return Applied(await self._touch(write.expiry_ms))
        if isinstance(write, SetValue) and not write.want_previous and not write.keep_expiry:
            if write.condition is Condition.ALWAYS:
                return await self._set(write)
            if write.condition is Condition.IF_ABSENT:  # most likely it is absent: try that before looking
                return await self._apply_under_cas(None, 0)
        if isinstance(write, HashSet | FieldExpire) and self._address.layout == "json":
            answer = await self._change_members(write)
            if answer is not None:
                return answer
        return await self._apply_under_cas(*await self._read())

    async def _apply_under_cas(self, before: Document | None, cas: int) -> WriteAnswer:
        while True:
            after, answer = stored_document.apply(self._write, before, self._clock.wall_ms(), self._dtype_of)
            if after is before:
                return answer
            try:
                if after is None:
                    await self._collection.remove(self._document, cas=cas, **self._options())
                elif before is None:
                    await self._collection.insert(self._document, after, **self._storing(after))
                else:
                    await self._collection.replace(self._document, after, cas=cas, **self._storing(after))
                return answer
            except CouchbaseException as exc:
                if code_of(exc) not in MOVED_ON:
                    raise
            self._sent = False
            before, cas = await self._read()

    async def _change_members(self, write: HashSet | FieldExpire) -> WriteAnswer | None:
        """Change only the members that are named; None: it takes the whole document."""
        fields = tuple(write.fields)
        paths = couchbase_members.paths_of(fields)
        if not paths:
            return None
        while True:
            try:
                members = await couchbase_members.look_up(
                    self._collection, self._document, fields, paths, self._timeout()
                )
            except CouchbaseException as exc:
                if code_of(exc) == DOCUMENT_NOT_FOUND:
                    return await self._apply_under_cas(None, 0)
                raise ReadFailed from exc
            if members is None:
                return None
            changed = couchbase_members.changes(write, members, self._clock.wall_ms(), self._dtype_of)
            if changed is None:
                return None
            specs, answer = changed
            if not specs:
                return answer
            try:
                await self._collection.mutate_in(
                    self._document, specs, cas=members.cas, preserve_expiry=True, **self._options()
                )
                return answer
            except CouchbaseException as exc:
                if code_of(exc) not in MOVED_ON and code_of(exc) not in PATH_REFUSED:
                    raise
                self._sent = False
                if code_of(exc) in PATH_REFUSED:
                    return None

    async def _set(self, write: SetValue) -> WriteAnswer:
        after, answer = stored_document.apply(write, None, self._clock.wall_ms(), self._dtype_of)
        if after is not None:
            await self._collection.upsert(self._document, after, **self._storing(after))
        elif isinstance(answer, Applied):  # an expiry in the past
            await self._remove()
        return answer

    async def _remove(self) -> bool:
        try:
            await self._collection.remove(self._document, **self._options())
        except CouchbaseException as exc:
            if code_of(exc) != DOCUMENT_NOT_FOUND:
                raise
            return False
        return True

    async def _touch(self, expiry_ms: int) -> bool:
        if expiry_ms <= self._clock.wall_ms():
            return await self._remove()
        try:
            timeout = self._options()["timeout"]  # a touch has no durability
            await self._collection.touch(self._document, self._lifetime(expiry_ms), timeout=timeout)
        except CouchbaseException as exc:
            if code_of(exc) != DOCUMENT_NOT_FOUND:
                raise
            return False
        return True

    async def _read(self) -> tuple[Document | None, int]:
        """The document as it is, with its expiry only where the write depends on that."""
        try:
            if isinstance(self._write, Expire):
                found, cas = await read_with_expiry(self._collection, self._document, self._timeout())
                return as_laid_out(found, self._address), cas
            result = await self._collection.get(self._document, timeout=self._timeout())
        except CouchbaseException as exc:
            if code_of(exc) == DOCUMENT_NOT_FOUND:
                return None, 0
            raise ReadFailed from exc
        return as_laid_out(replace(result.value, expiry_ms=KEPT_EXPIRY_MS), self._address), result.cas

    def _timeout(self) -> timedelta:
        if self._given_up:
            raise DeadlinePassed
        return self._calls.timeout(self._deadline)

    def _options(self) -> dict[str, Any]:
        """Options of a mutation, which is sent by them at once."""
        options = {"timeout": self._timeout(), **self._durable}
        self._sent = True
        return options

    def _storing(self, after: Document) -> dict[str, Any]:
        """Options of insert, replace and upsert: a plain mutation clears the expiry, so say what it is to be."""
        options = self._options()
        if after.expiry_ms == KEPT_EXPIRY_MS:
            options["preserve_expiry"] = True
        elif after.expiry_ms is not None:
            options["expiry"] = self._lifetime(after.expiry_ms)
        return options

    def _lifetime(self, expiry_ms: int) -> timedelta:
        """What to add to the server's whole-second clock to get the expiry, rounded up: nothing dies early."""
        return timedelta(seconds=max(1, -(-expiry_ms // 1000) - self._clock.wall_ms() // 1000))
