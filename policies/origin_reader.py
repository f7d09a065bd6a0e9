"""The block ``origin`` of a feature view: where its documents are."""

import re

from policies.blocks import BlockReader
from policies.feast import FeastHash
from policies.key_pattern import KeyPattern, PatternError, Placeholder, parse_parts
from policies.model import OriginMapping
from policies.settings import ORIGIN_SETTINGS

_COLLECTION = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_%-]{0,250}|_default", re.ASCII)  # Couchbase's rule for both names
_BUCKET = re.compile(r"[A-Za-z0-9_.%-]{1,100}", re.ASCII)  # Couchbase's rule
_EXPECTED_BUCKET = "1 to 100 letters, digits and _ . - %"
_EXPECTED_COLLECTION = "1 to 251 letters, digits and _ - %, not beginning with _ or % (or _default)"


def read_origin(view: BlockReader, name: str, keys: KeyPattern | None, feast: FeastHash | None) -> OriginMapping | None:
    """The mapping of a view; None where it is not given or wrong."""
    if "origin" not in view:
        view.take("origin")
        return None
    block = view.block("origin")
    bucket = block.text("bucket", _EXPECTED_BUCKET, _bucket) or ""
    scope = block.text("scope", _EXPECTED_COLLECTION, _collection)
    collection = block.text("collection", _EXPECTED_COLLECTION, _collection)
    layout = block.value("layout", ORIGIN_SETTINGS[0].kind) or "json"
    document = None
    if "document" in block and feast is not None:
        block.take("document")
        block.findings.report(
            block.place_of("document"), "a document template", "none in a feast view, whose keys are documents"
        )
    elif keys is not None:
        document = block.text(
            "document", 'a quoted template such as "{user_id}"', lambda text: _parse_template(text, keys)
        )
    else:
        block.take("document")
    block.finish()
    if layout == "feast":
        if feast is None:
            block.findings.report(block.place_of("layout"), "feast", "json or binary in a view with keys")
            return None
        # where Feast's own Couchbase store puts a view
        scope = scope or f"{feast.project}_{name}_scope"
        collection = collection or f"{feast.project}_{name}_collection"
    return OriginMapping(scope or "_default", collection or "_default", document, layout, bucket)


def _bucket(text: str) -> str:
    """The name of a bucket."""
    if not _BUCKET.fullmatch(text):
        raise ValueError(text)
    return text


def _collection(text: str) -> str:
    """The name of a scope or collection."""
    if not _COLLECTION.fullmatch(text):
        raise ValueError(text)
    return text


def _parse_template(text: str, keys: KeyPattern) -> KeyPattern | None:
    """A document template that gives each key a document of its own; None where it is the key itself.

    Raises:
        PatternError: it does not use every placeholder of the keys, knows others, or could read two ways.
    """
    rest = {part.name: part.rest for part in keys.parts if isinstance(part, Placeholder)}
    parts = parse_parts(text)
    if parts == keys.parts:
        return None
    names = [part.name for part in parts if isinstance(part, Placeholder)]
    for name in names:
        if name not in rest:
            raise PatternError(f"{{{name}}} in {text!r}", f'only placeholders of the keys "{keys}"')
    missing = [name for name in rest if name not in names]
    if missing:
        raise PatternError(f"{text!r} without {{{missing[0]}}}", "every placeholder, or two keys would be one document")
    for before, between, _ in zip(parts, parts[1:], parts[2:], strict=False):
        if isinstance(before, Placeholder) and isinstance(between, bytes) and b":" not in between:
            raise PatternError(f"{text!r}", "a : between two placeholders, or two keys could be one document")
    return KeyPattern(
        tuple(Placeholder(part.name, rest[part.name]) if isinstance(part, Placeholder) else part for part in parts)
    )
