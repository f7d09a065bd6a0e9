"""Documents as the Couchbase SDK sees them: bodies untouched, and format flags that tell JSON from bytes."""

from couchbase.transcoder import Transcoder

from policies.documents import DocumentAddress
from sidecar.origins.stored_document import Document

JSON_FLAGS = 0x02000006  # the common format of all Couchbase SDKs (RFC 20): JSON
BINARY_FLAGS = 0x03000002  # bytes
BINARY_LAYOUT = "binary"
FEAST_LAYOUT = "feast"  # a document a feature: read, never written
_FORMAT = 0x0F000000
_JSON_FORMAT = 0x02000000

# Stands for "an expiry, if there is any" in a document that was read without it. It lies in the far future, and a
# write that keeps a document's expiry hands it on, so what a write made of it tells whether to preserve.
KEPT_EXPIRY_MS = 1 << 62


def default_address(key: bytes) -> DocumentAddress:
    """Without a policy: the default collection, the key itself as document."""
    return DocumentAddress("_default", "_default", key)


def is_json(flags: int) -> bool:
    """JSON by the common format, or by the legacy one, which is no flags at all."""
    return flags & _FORMAT == _JSON_FORMAT or flags == 0


def as_laid_out(document: Document, address: DocumentAddress) -> Document:
    """The document as its view sees it: in layout ``binary`` all are strings, whatever their flags say."""
    if address.layout == BINARY_LAYOUT and document.is_json:
        return Document(document.body, False, document.expiry_ms)
    return document


class RawTranscoder(Transcoder):
    """Hands bodies through; values are Documents. Expiries are arguments of the SDK's calls, not part of a body."""

    def encode_value(self, value: Document) -> tuple[bytes, int]:
        return value.body, JSON_FLAGS if value.is_json else BINARY_FLAGS

    def decode_value(self, value: bytes, flags: int) -> Document:
        return Document(value, is_json(flags))
