"""The memory tier as a dict of plain objects: what the native Store must do, slowly and plainly.

It evicts nothing. The rules of freshness are those of policies/_freshness.pxd without jitter.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from sidecar.clock import TICK_MASK
from sidecar.fetch.memory_tier import Window
from sidecar.origins.base import ABSENT, Absent, Found

Fields = tuple[bytes, ...] | None


class _Item:
    """One key: a string, a row (whole or partial) or the knowledge that there is none."""

    __slots__ = ("busy", "expiry_ms", "fields", "filled_at", "kind", "refreshing", "rule", "value", "whole_at")

    def __init__(self, kind: str, filled_at: int, rule: int, expiry_ms: int | None) -> None:
        self.kind = kind  # "string", "row" or "absent"
        self.filled_at = filled_at
        self.rule = rule
        self.expiry_ms = expiry_ms
        self.value = b""
        self.fields: dict[bytes, tuple[bytes | None, int]] = {}  # -> value (None: absent), filled_at
        self.whole_at: int | None = None  # when the list of fields was read; None: the row is partial
        self.busy = False
        self.refreshing = False


class ModelStore:
    """See sidecar/fetch/memory_tier.py for what each method promises."""

    def __init__(self, limits_of: Callable[[int], tuple[int, int, int, int]], field_rule: Callable[..., int]) -> None:
        """Args:
        limits_of: rule number -> fresh, stale, error and negative ticks.
        field_rule: (row rule, field name) -> rule number.
        """
        self.items: dict[bytes, _Item] = {}
        self._limits_of = limits_of
        self._field_rule = field_rule
        self.now = 0
        self.wall_ms = 0
        self.must_revalidate = False

    def set_time(self, now_tick: int, wall_ms: int) -> None:
        self.now = now_tick
        self.wall_ms = wall_ms

    def lookup(
        self, key: bytes, fields: Fields, window: Window, ignore_busy_except: AbstractSet[bytes] | None = None
    ) -> Found | Absent | None:
        item = self._open(key, fields, ignore_busy_except)
        if item is None:
            return None
        limits = self._limits_of(item.rule)
        if item.kind == "absent":
            return ABSENT if self._age(item.filled_at) < limits[3] else None
        if item.kind == "string":
            usable = self._age(item.filled_at) < limits[window]
            return Found(item.value, True, item.expiry_ms) if usable else None
        if fields is None:
            return self._whole_row(item, window)
        some = self._usable(item, fields, window)
        if len(some) < len(set(fields)):
            return None
        return Found({name: value for name, value in some.items() if value is not None}, False, item.expiry_ms)

    def lookup_counted(
        self, key: bytes, fields: Fields, window: Window, ignore_busy_except: AbstractSet[bytes] | None = None
    ) -> Found | Absent | None:
        answer = self.lookup(key, fields, window, ignore_busy_except)
        self.must_revalidate = False
        stale = answer is not None and self.lookup(key, fields, Window.FRESH, ignore_busy_except) is None
        if stale and window == Window.STALE:
            item = self.items[key]
            self.must_revalidate = not item.refreshing
            item.refreshing = True
        return answer

    def lookup_some(
        self, key: bytes, fields: tuple[bytes, ...], window: Window, ignore_busy_except: Any = None
    ) -> dict[bytes, bytes | None]:
        if ignore_busy_except is not None:
            fields = tuple(field for field in fields if field not in ignore_busy_except)
        item = self._open(key, fields, ignore_busy_except)
        if item is None or item.kind == "string":
            return {}
        if item.kind == "absent":
            usable = self.lookup(key, fields, window, ignore_busy_except) is not None
            return dict.fromkeys(fields) if usable else {}
        return self._usable(item, fields, window)

    def string_sizes(self, keys: list[bytes]) -> list[int | None]:
        answers = [self.lookup(key, None, Window.STALE) for key in keys]
        return [
            None
            if answer is None or (isinstance(answer, Found) and not isinstance(answer.value, bytes))
            else len(answer.value)
            if isinstance(answer, Found)
            else 0
            for answer in answers
        ]

    def any_usable(self, key: bytes) -> bytes | None:
        item = self._open(key, None, None)
        if item is None or item.kind == "absent":
            return None
        if item.kind == "string":
            return b"string" if self.lookup(key, None, Window.STALE) is not None else None
        some = self._usable(item, tuple(item.fields), Window.STALE)
        return b"hash" if any(value is not None for value in some.values()) else None

    def install(
        self,
        key: bytes,
        answer: Found | Absent,
        filled_at: int,
        row_rule: int,
        covers: Fields = None,
        speculative: bool = False,
    ) -> bool:
        if isinstance(answer, Absent):
            self.items[key] = _Item("absent", filled_at, row_rule, None)
        elif isinstance(answer.value, bytes):
            item = self.items[key] = _Item("string", filled_at, row_rule, answer.expiry_ms)
            item.value = answer.value
        elif covers is None:
            item = self.items[key] = _Item("row", filled_at, row_rule, answer.expiry_ms)
            item.whole_at = filled_at
            item.fields = {name: (value, filled_at) for name, value in answer.value.items()}
        else:
            item = self._row(key, filled_at, row_rule)
            for name in covers:
                item.fields[name] = (answer.value.get(name), filled_at)
            if answer.expiry_ms is not None:
                item.expiry_ms = min(answer.expiry_ms, item.expiry_ms or answer.expiry_ms)
        return True

    def overlay(self, key: bytes, fields: Mapping[bytes, bytes | None], filled_at: int, row_rule: int) -> bool:
        item = self._row(key, filled_at, row_rule)
        for name, value in fields.items():
            item.fields[name] = (value, filled_at)
        return True

    def drop(self, key: bytes) -> bool:
        return self.items.pop(key, None) is not None

    def drop_fields(self, key: bytes, fields: tuple[bytes, ...]) -> None:
        item = self.items.get(key)
        if item is None:
            return
        if item.kind != "row":
            del self.items[key]
            return
        item.whole_at = None
        for name in fields:
            item.fields.pop(name, None)
        if not item.fields:
            del self.items[key]

    def set_busy(self, key: bytes, busy: bool) -> None:
        if key in self.items:
            self.items[key].busy = busy

    def set_fill_cost(self, view: int, cost_us: int) -> None:
        """Nothing is refreshed early here: what the schedules judge is the protocol."""

    def clear_refreshing(self, key: bytes) -> None:
        if key in self.items:
            self.items[key].refreshing = False

    def clear(self) -> None:
        self.items.clear()

    def drop_matching(self, predicate: Callable[[bytes], bool], budget: int, position: int = 0) -> int | None:
        for key in [key for key in self.items if predicate(key)]:
            del self.items[key]
        return None

    def _age(self, filled_at: int) -> int:
        return (self.now - filled_at) & TICK_MASK

    def _open(self, key: bytes, fields: Fields, ignore_busy_except: AbstractSet[bytes] | None) -> _Item | None:
        """The item, unless it is expired or a writer is at work on what is asked."""
        item = self.items.get(key)
        if item is None or (item.expiry_ms is not None and self.wall_ms >= item.expiry_ms):
            return None
        if not item.busy:
            return item
        if ignore_busy_except is None or fields is None or not ignore_busy_except.isdisjoint(fields):
            return None
        return item

    def _row(self, key: bytes, filled_at: int, row_rule: int) -> _Item:
        """The key's row; a partial one in place of anything else, or of an expired one."""
        item = self.items.get(key)
        expired = item is not None and item.expiry_ms is not None and self.wall_ms >= item.expiry_ms
        if item is None or item.kind != "row" or expired:
            busy = item is not None and item.busy
            item = self.items[key] = _Item("row", filled_at, row_rule, None)
            item.busy = busy
        return item

    def _usable(self, item: _Item, fields: tuple[bytes, ...], window: Window) -> dict[bytes, bytes | None]:
        usable: dict[bytes, bytes | None] = {}
        for name in fields:
            known = item.fields.get(name)
            if known is None and item.whole_at is not None:
                known = (None, item.whole_at)
            if known is not None:
                limits = self._limits_of(self._field_rule(item.rule, name))
                if self._age(known[1]) < limits[window]:
                    usable[name] = known[0]
        return usable

    def _whole_row(self, item: _Item, window: Window) -> Found | Absent | None:
        if item.whole_at is None:
            return None
        list_window = Window.ERROR if window is Window.ERROR else Window.FRESH  # a list has no stale window
        if self._age(item.whole_at) >= self._limits_of(item.rule)[list_window]:
            return None
        some = self._usable(item, tuple(item.fields), window)
        if len(some) < len(item.fields):
            return None
        values = {name: value for name, value in some.items() if value is not None}
        return Found(values, True, item.expiry_ms) if values else ABSENT
