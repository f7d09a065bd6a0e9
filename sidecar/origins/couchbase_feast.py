"""Feast's own Couchbase layout, read as it is: a document for each feature of an entity.

``{project}:{view}:{entity key in hex}:{feature}`` in a collection of the view holds
``{"metadata": {"event_ts": ISO 8601, ...}, "value": base64 of a ValueProto}``. Put together, the features of all views
of an entity are the hash that Feast's Redis store would have: fields named by hashes, values as ValueProto bytes, and
``_ts:<view>`` as a protobuf Timestamp. Everything else is then as with any hash; a document's expiry is its field's.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from policies.documents import DocumentAddress, FeastDocuments
from sidecar.logs import logger
from sidecar.origins.document import EXPIRE_MEMBER
from sidecar.origins.member_names import MAX_KEY_BYTES, encode_name
from sidecar.origins.stored_document import Document

_log = logger("couchbase")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.json.Encoder().encode

Place = tuple[str, str, str]  # bucket, scope, collection
ReadDocuments = Callable[[Place, list[str]], Awaitable[list[Document | None]]]


class _Metadata(msgspec.Struct):
    event_ts: str


class _Stored(msgspec.Struct):
    """The body of a feature's document, as far as it is served."""

    metadata: _Metadata
    value: str


_decode = msgspec.json.Decoder(_Stored).decode


class _Feature(NamedTuple):
    field: bytes
    view: FeastDocuments
    stored: Document


class FeastLayout:
    """Reads hashes whose features are documents."""

    def __init__(self) -> None:
        self._complained: set[tuple[str, str]] = set()  # (view, feature), as many as the policy declares

    async def read(self, address: DocumentAddress, read: ReadDocuments) -> Document | None:
        """The hash as one document; None: no feature of it is stored.

        Raises:
            What ``read`` raises: a row of which a part could not be read is none, for a fill is whole.
        """
        members: dict[str, Any] = {}
        deadlines: dict[str, int] = {}
        moments: dict[bytes, datetime] = {}
        for features in await _all([_features(view, address.document, read) for view in address.feast]):
            for feature in features:
                decoded = self._decoded(feature)
                if decoded is None:
                    continue
                name = encode_name(feature.field)
                members[name] = {"$binary": decoded.value}
                if feature.stored.expiry_ms is not None:
                    deadlines[name] = feature.stored.expiry_ms
                moment = _moment(decoded.metadata.event_ts)
                earliest = moments.get(feature.view.timestamp, moment)
                moments[feature.view.timestamp] = min(earliest, moment)
        if not members:
            return None
        for field, moment in moments.items():
            members[encode_name(field)] = {"$binary": b64encode(_timestamp(moment)).decode()}
        if deadlines:
            members[EXPIRE_MEMBER] = deadlines
        return Document(_encode(members), True)

    def _decoded(self, feature: _Feature) -> _Stored | None:
        """The feature's document; None, with one log line for each feature: it is not as Feast writes it."""
        try:
            stored = _decode(feature.stored.body)
            _moment(stored.metadata.event_ts)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as exc:
            name = feature.view.features[feature.field]
            if (feature.view.view, name) not in self._complained:
                self._complained.add((feature.view.view, name))
                _log.warning("not_a_feast_document", view=feature.view.view, feature=name, error=str(exc))
            return None
        return stored


async def _features(view: FeastDocuments, entity: bytes, read: ReadDocuments) -> list[_Feature]:
    """What is stored of a view; a name that is too long for Couchbase is of no document."""
    names = {field: view.document(entity, feature) for field, feature in view.features.items()}
    fields = [field for field, name in names.items() if len(name.encode()) <= MAX_KEY_BYTES]
    if not fields:
        return []
    documents = await read((view.bucket, view.scope, view.collection), [names[field] for field in fields])
    return [
        _Feature(field, view, document)
        for field, document in zip(fields, documents, strict=True)
        if document is not None
    ]


async def _all(reads: Iterable[Coroutine[Any, Any, list[_Feature]]]) -> list[list[_Feature]]:
    """What all read, once all have ended: none is left behind for another to have failed."""
    results = await asyncio.gather(*reads, return_exceptions=True)
    found: list[list[_Feature]] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found


def _moment(text: str) -> datetime:
    """Feast writes naive UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _timestamp(moment: datetime) -> bytes:
    """google.protobuf.Timestamp: 1 = seconds, 2 = nanos, zeros left out."""
    seconds, microseconds = divmod((moment - _EPOCH) // _MICROSECOND, 1_000_000)
    return b"".join(
        tag + _varint(number) for tag, number in ((b"\x08", seconds), (b"\x10", microseconds * 1000)) if number
    )


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # a negative int64 is ten bytes
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
