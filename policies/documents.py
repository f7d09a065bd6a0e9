"""Where the document of a key is, and the key of a document: the ``origin:`` mappings of all views."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from policies.key_pattern import KeyPattern
from policies.model import DEFAULT_MAPPING, OriginMapping


class FeastDocuments(NamedTuple):
    """Where Feast's Couchbase store keeps a view: a document for each feature of an entity.

    Attributes:
        features: names by the bytes of their fields in the hash.
        timestamp: the field of the view's event time.
    """

    view: str
    project: str
    bucket: str
    scope: str
    collection: str
    features: Mapping[bytes, str]
    timestamp: bytes

    def document(self, entity: bytes, feature: str) -> str:
        """The id of a feature's document. ``entity``: the key of the entity's hash, which ends with the project."""
        entity_key = entity.removesuffix(self.project.encode())
        return f"{self.project}:{self.view}:{entity_key.hex()}:{feature}"


class DocumentAddress(NamedTuple):
    """A document and how it is written. ``document``: raw bytes, which an origin encodes as it needs.

    ``feast``, in Feast's layout: the views whose features are documents of their own; ``document`` is then the
    key of the entity's hash.
    """

    scope: str
    collection: str
    document: bytes
    layout: str = "json"
    durability: str = "none"
    document_expiry: bool = False
    feast: tuple[FeastDocuments, ...] = ()
    bucket: str = ""  # the origin URL's

    def is_at(self, other: "DocumentAddress") -> bool:
        """Whether both are the same document, laid out alike."""
        return (self[:4], self.feast, self.bucket) == (other[:4], other.feast, other.bucket)


class RowMapping(NamedTuple):
    """What a row rule says of its documents; ``keys`` is set where ``origin.document`` is, ``feast`` in that layout."""

    origin: OriginMapping = DEFAULT_MAPPING
    durability: str = "none"
    document_expiry: bool = False
    keys: KeyPattern | None = None
    feast: tuple[FeastDocuments, ...] = ()


DEFAULT_ROW = RowMapping()


class DocumentMap:
    """Both directions of the mapping.

    Args:
        rows: by row rule; a rule that is not here has the default mapping.
        row_rule: finds the rule of a key.
    """

    def __init__(self, rows: Mapping[int, RowMapping], row_rule: Callable[[bytes], int]) -> None:
        self._rows = rows
        self._row_rule = row_rule
        self._expressions = {rule: row.keys.expression for rule, row in rows.items() if row.keys}
        self._templates: defaultdict[tuple[str, str, str], list[RowMapping]] = defaultdict(list)
        for row in rows.values():
            if row.origin.document is not None:
                self._templates[row.origin.place].append(row)

    def address(self, key: bytes) -> DocumentAddress:
        """Where a key's document is."""
        rule = self._row_rule(key)
        row = self._rows.get(rule, DEFAULT_ROW)
        document = key
        if row.origin.document is not None:
            found = self._expressions[rule].fullmatch(key)
            assert found is not None  # the rule was found by this very pattern
            document = row.origin.document.fill(found.groupdict())
        origin = row.origin
        return DocumentAddress(
            origin.scope,
            origin.collection,
            document,
            origin.layout,
            row.durability,
            row.document_expiry,
            row.feast,
            origin.bucket,
        )

    def key_of(self, scope: str, collection: str, document: bytes, bucket: str = "") -> bytes | None:
        """The key whose document this is; None for a document that no key names."""
        for row in self._templates.get((bucket, scope, collection), ()):
            assert row.origin.document is not None and row.keys is not None
            captures = row.origin.document.capture(document)
            if captures is not None and self._names(row.keys.fill(captures), (bucket, scope, collection), document):
                return row.keys.fill(captures)
        return document if self._names(document, (bucket, scope, collection), document) else None

    def _names(self, key: bytes, place: tuple[str, str, str], document: bytes) -> bool:
        """Whether a key's document is this one: another view may have the better claim to the key."""
        address = self.address(key)
        return (address.bucket, address.scope, address.collection, address.document) == (*place, document)

    def collections(self) -> list[tuple[str, str, str]]:
        """Every (bucket, scope, collection) that keys are in, the default one first."""
        return list(dict.fromkeys([DEFAULT_MAPPING.place, *(row.origin.place for row in self._rows.values())]))

    @property
    def is_plain(self) -> bool:
        """Whether every key is the name of its document in the default collection."""
        return all(row.origin == DEFAULT_MAPPING for row in self._rows.values())

    def same_as(self, other: "DocumentMap") -> bool:
        """Whether every rule says the same of its documents."""
        return self._rows == other._rows
