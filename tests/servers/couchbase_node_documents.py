"""The documents of the wire-level node: bodies with flags, CAS and expiry, as the data service keeps them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from servers.couchbase_node_frames import JSON, Failure, Status

MAX_RELATIVE_EXPIRY_S = 30 * 24 * 3600  # memcached: a larger number is a Unix time
MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
MAX_KEY_BYTES = 246  # 250, less what a collection's number may take


@dataclass(slots=True)
class Document:
    """One stored document."""

    value: bytes
    flags: int = 0
    expiry: int = 0  # Unix seconds; 0: none
    cas: int = 0
    seqno: int = 0
    datatype: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)


class Documents:
    """Documents by (collection, key). ``now_s`` gives Unix seconds; a document is gone at its expiry."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        self.now_s = now_s
        self.by_key: dict[tuple[int, bytes], Document] = {}
        self._seqno = 0
        self._cas = now_s() << 30  # a CAS is a clock on the real server too: never reused

    def get(self, collection: int, key: bytes) -> Document | None:
        """The live document, or None."""
        document = self.by_key.get((collection, key))
        if document is not None and document.expiry and document.expiry <= self.now_s():
            del self.by_key[collection, key]
            return None
        return document

    def require(self, collection: int, key: bytes, cas: int = 0) -> Document:
        """The live document, which must be there and, if ``cas`` is given, of that CAS."""
        document = self.get(collection, key)
        if document is None:
            raise Failure(Status.NOT_FOUND)
        if cas and cas != document.cas:
            raise Failure(Status.EXISTS)
        return document

    def store(self, collection: int, key: bytes, document: Document) -> Document:
        """Keep a new version of a document; its CAS and sequence number are given here."""
        if len(document.value) > MAX_DOCUMENT_BYTES:
            raise Failure(Status.TOO_BIG)
        self.touched(document)
        document.datatype = JSON if _is_json(document.value) else 0
        self.by_key[collection, key] = document
        return document

    def touched(self, document: Document) -> None:
        """Every mutation, of the expiry alone too, has a new CAS and sequence number."""
        self._cas += 1
        self._seqno += 1
        document.cas, document.seqno = self._cas, self._seqno

    def remove(self, collection: int, key: bytes, cas: int) -> Document:
        """Remove a document; the answer carries the CAS of its removal."""
        document = self.require(collection, key, cas)
        del self.by_key[collection, key]
        self.touched(document)
        return document

    def absolute_expiry(self, seconds: int) -> int:
        """Unix seconds from a request's expiry: 0 none, up to 30 days relative, else absolute."""
        return seconds + self.now_s() if 0 < seconds <= MAX_RELATIVE_EXPIRY_S else seconds


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
