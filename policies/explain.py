"""Why an entry is treated as it is: its rule, every number that applies and where each came from, as text."""

from typing import NamedTuple

from policies.compiled import CompiledPolicy, Rule
from policies.documents import DocumentAddress
from policies.effective import Effective
from policies.rules import DEFAULT_VIEW
from policies.settings import BY_NAME, FEATURE_SETTINGS
from policies.shown_bytes import show_bytes

_ROW_SETTINGS = tuple(name for name, setting in BY_NAME.items() if "feature" not in setting.levels)


class Line(NamedTuple):
    """One effective number, as text, and where it came from."""

    name: str
    value: str
    source: str


class Explanation(NamedTuple):
    """What applies to a key, or to one field of its hash."""

    key: bytes
    field: bytes | None
    view: str
    rule: str
    rule_number: int
    matched: str
    lines: tuple[Line, ...]
    address: DocumentAddress

    def __str__(self) -> str:
        heads = [Line("key", show_bytes(self.key), "")]
        if self.field is not None:
            heads.append(Line("field", show_bytes(self.field), ""))
        heads.append(Line("view", self.view, self.matched))
        heads.append(Line("rule", self.rule, f"number {self.rule_number}"))
        place = f"{self.address.scope}.{self.address.collection}"
        tail = Line("document", show_bytes(self.address.document), f"in {place} as {self.address.layout}")
        return _aligned([*heads, *self.lines, tail])


def explain(policy: CompiledPolicy, key: bytes, field: bytes | None = None) -> Explanation:
    """Which rule applies to a key or field, and why."""
    row = policy.rule(policy.row_rule(key))
    rule = policy.entry_rule(key, field)
    lines = []
    for name in BY_NAME:
        source = row if name in _ROW_SETTINGS else rule  # a deadline is the row's, whatever the field
        lines.append(_line(policy.policy.filename, name, source.settings[name]))
    if field is not None:
        lines.append(Line("dtype", FEATURE_SETTINGS[0].show(rule.dtype), "" if rule.dtype else "text is kept as text"))
    return Explanation(
        key,
        field,
        rule.name.view,
        str(rule.name),
        rule.number,
        _matched(policy, row, rule),
        tuple(lines),
        policy.document(key),
    )


def _line(filename: str, name: str, setting: Effective) -> Line:
    """One setting with its source."""
    source = "built-in default" if setting.place is None else f"{filename}:{setting.place.line} {setting.place.path}"
    if setting.because:
        source += f" ({setting.because})"
    return Line(name, BY_NAME[name].show(setting.value), source)


def _matched(policy: CompiledPolicy, row: Rule, rule: Rule) -> str:
    """In words, why this view."""
    if rule.name.view == DEFAULT_VIEW:
        if row.name.view != DEFAULT_VIEW:
            return f"the Feast hash of {row.name} declares no such field"
        return "no feature view has this key"
    view = next(view for view in policy.policy.views if view.name == rule.name.view)
    where = f"{policy.policy.filename}:{view.place.line}"
    if view.keys is not None:
        return f'keys "{view.keys}" at {where}'
    assert view.feast is not None
    return f"Feast project {view.feast.project}, join keys {', '.join(view.feast.join_keys)} at {where}"


def _aligned(lines: list[Line]) -> str:
    """Three columns; long keys do not push the third away."""
    widths = [max(len(line[column]) for line in lines if len(line[column]) <= 32) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}".rstrip() for name, value, source in lines)
