"""What a confirmed write leaves in memory, by kind of write.

Each function is given the write, its result, the tick it was sent at and the row's rule; it says whether memory now
holds what was written. Where it does not, or the consistency protocol forbids it, what the write covers is dropped.
A value whose expiry has passed is kept like any other: memory does not serve it. To remember "absent" instead would be
wrong, for another may have written since.
"""

from collections.abc import Callable
from typing import Any

from sidecar.fetch.coherence import Reserved
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.origins.base import (
    ABSENT,
    Delete,
    Expire,
    FieldExpire,
    Found,
    GetAndDelete,
    GetAndExpire,
    HashDelete,
    HashSet,
    SetValue,
    Write,
)


def reserved_by(write: Write) -> Reserved:
    """The fields that a write may change; None: the whole document."""
    kind = type(write)
    if kind is HashSet:
        return write.fields.keys()  # type: ignore[union-attr]
    if kind is HashDelete or kind is FieldExpire:
        return frozenset(write.fields)  # type: ignore[union-attr]
    return None


def show_written(
    store: MemoryTier, write: Write, result: Any, sent_tick: int, row_rule: int, may_install: bool
) -> None:
    """Bring memory up to date with a write that the origin confirmed."""
    if not may_install or not _SHOW[type(write)](store, write, result, sent_tick, row_rule):
        forget_written(store, write)


def forget_written(store: MemoryTier, write: Write) -> None:
    """Drop what a write covers."""
    kind = type(write)
    if kind is HashSet or kind is HashDelete or kind is FieldExpire:
        store.drop_fields(write.key, tuple(write.fields))  # type: ignore[union-attr]
    else:
        store.drop(write.key)


def _set(store: MemoryTier, write: SetValue, result: Any, sent_tick: int, row_rule: int) -> bool:
    did_set, _previous = result
    if not did_set or write.keep_expiry:  # memory does not know the expiry that was kept
        return False
    return store.install(write.key, Found(write.value, True, write.expiry_ms), sent_tick, row_rule)


def _hash_set(store: MemoryTier, write: HashSet, result: Any, sent_tick: int, row_rule: int) -> bool:
    if write.only_absent and not result:
        return False
    if store.overlay(write.key, write.fields, sent_tick, row_rule):
        return True
    store.drop(write.key)
    return False


def _hash_delete(store: MemoryTier, write: HashDelete, _result: Any, sent_tick: int, row_rule: int) -> bool:
    if store.overlay(write.key, dict.fromkeys(write.fields), sent_tick, row_rule):
        return True
    store.drop(write.key)
    return False


def _delete(store: MemoryTier, write: Delete, _result: Any, sent_tick: int, row_rule: int) -> bool:
    return store.install(write.key, ABSENT, sent_tick, row_rule)


def _get_and_expire(store: MemoryTier, write: GetAndExpire, result: Any, sent_tick: int, row_rule: int) -> bool:
    if result is None:
        return store.install(write.key, ABSENT, sent_tick, row_rule)
    return store.install(write.key, Found(result, True, write.expiry_ms), sent_tick, row_rule)


def _forget(_store: MemoryTier, _write: Write, _result: Any, _sent_tick: int, _row_rule: int) -> bool:
    return False


_SHOW: dict[type, Callable[[MemoryTier, Any, Any, int, int], bool]] = {
    SetValue: _set,
    HashSet: _hash_set,
    HashDelete: _hash_delete,
    Delete: _delete,
    GetAndDelete: _delete,
    GetAndExpire: _get_and_expire,
    Expire: _forget,  # how long the document lives has changed
    FieldExpire: _forget,
}
