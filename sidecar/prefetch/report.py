"""What ``/prefetch`` on the admin port and ``feature-sidecar prefetch show`` tell."""

from collections.abc import Mapping
from typing import Any

from policies import CompiledPolicy
from sidecar.prefetch.exported import as_yaml, export
from sidecar.prefetch.prefetcher import Prefetcher
from sidecar.prefetch.set_state import SetState

_COLUMNS = ("state", "precision", "coverage", "fetched", "used", "wasted", "support", "confidence")


def report(prefetcher: Prefetcher, policy: CompiledPolicy) -> dict[str, Any]:
    """Declared sets, learned rules and the budget, ready for JSON; shares from 0 to 1, null where nothing is known."""
    numbers = policy.prefetch
    states = {state.name: state for state in prefetcher.states}
    learned = sorted(prefetcher.learned.rules.values(), key=lambda one: -one.candidate.count)
    associations = prefetcher.learned.associations
    return {
        "learn": numbers.learn,
        "min_precision": numbers.min_precision,
        "window_ms": numbers.window_ms,
        "declared": [
            {
                "name": one.name,
                "members": [str(member) for member in one.members],
                **(_of(states[one.name]) if one.name in states else _IDLE),
            }
            for one in policy.feature_sets
        ],
        "learned": [
            {
                "name": one.state.name,
                **_of(one.state),
                "support": round(one.candidate.count, 1),
                "confidence": _share(associations.confidence(one.rule)),
            }
            for one in learned
        ],
        "candidates": len(associations.candidates),
        "budget": {
            "share": numbers.budget,
            "documents_read": round(prefetcher.budget.read, 1),
            "charged": round(prefetcher.budget.charged, 1),
            "left": round(prefetcher.budget.left, 1),
        },
        "feature_sets": as_yaml(export(learned)),
    }


def as_text(told: Mapping[str, Any]) -> str:
    """A table for people."""
    rows = [("SET", *(column.upper() for column in _COLUMNS))]
    for one in (*told["declared"], *told["learned"]):
        rows.append((one["name"], *(_cell(one.get(column)) for column in _COLUMNS)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    budget = told["budget"]
    lines.append("")
    lines.append(
        f"budget {budget['share']:.0%} of {budget['documents_read']:g} documents read of late, "
        f"{budget['charged']:g} guesses not asked for; learning {'on' if told['learn'] else 'off'}, "
        f"{told['candidates']} candidates"
    )
    return "\n".join(lines)


def _of(state: SetState) -> dict[str, Any]:
    return {
        "state": "on" if state.is_on else "off",
        "precision": _share(state.precision()),
        "coverage": _share(state.coverage()),
        "fetched": state.fetched,
        "used": state.used,
        "wasted": state.wasted,
        "waiting": state.unproven,
    }


_IDLE = {"state": "idle"}  # no member can be made from the ids of the others


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1%}" if value <= 1 else f"{value:g}"
    return str(value)
