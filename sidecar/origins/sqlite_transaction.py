"""What one transaction does: read the documents concerned once, apply all writes in order, write what changed once."""

import sqlite3
from collections.abc import Sequence

from sidecar.origins import sqlite_documents, stored_document
from sidecar.origins.base import Condition, SetValue, Write, WriteAnswer
from sidecar.origins.document import MAX_DOCUMENT_BYTES, DtypeOf
from sidecar.origins.member_names import is_key_too_long


def apply_writes(
    connection: sqlite3.Connection, writes: Sequence[Write], now_ms: int, dtype_of: DtypeOf | None
) -> list[WriteAnswer]:
    """The answers in order, true once the transaction that the caller has begun is committed."""
    needed: dict[bytes, None] = {}  # keys whose document must be read; an ordered set
    blind: set[bytes] = set()  # keys whose first write replaces whatever is there
    for write in writes:
        if write.key not in needed and write.key not in blind:
            if _replaces_all(write):
                blind.add(write.key)
            else:
                needed[write.key] = None
    before = sqlite_documents.load(connection, list(needed)) if needed else {}
    after = dict.fromkeys(blind)
    after.update(before)
    answers = []
    for write in writes:
        document, answer = stored_document.apply(write, after.get(write.key), now_ms, dtype_of)
        after[write.key] = document
        answers.append(answer)
    changed = [(key, document) for key, document in after.items() if key in blind or document is not before.get(key)]
    sqlite_documents.store(connection, [(key, document) for key, document in changed if document is not None])
    sqlite_documents.remove(connection, [key for key, document in changed if document is None])
    return answers


def _replaces_all(write: Write) -> bool:
    """Whether the write is sure to apply, and its effect and answer are the same whatever stands there."""
    return (
        isinstance(write, SetValue)
        and write.condition is Condition.ALWAYS
        and not write.keep_expiry
        and not write.want_previous
        and len(write.value) <= MAX_DOCUMENT_BYTES
        and not is_key_too_long(write.key)
    )
