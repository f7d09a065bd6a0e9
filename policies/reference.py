"""The tables of docs/policies.md, from the table of settings: ``python -m policies.reference``.

A test fails when the page and these lines differ, either way.
"""

from collections.abc import Iterable

from policies.settings import FEATURE_SETTINGS, FRESHNESS_SETTINGS, ORIGIN_SETTINGS, SECTIONS, VIEW_SETTINGS, Setting


def setting_rows() -> list[str]:
    """A row per setting: name with its block, default, where it may stand, meaning."""
    rows = [_row(setting.name, setting, ", ".join(setting.levels)) for setting in FRESHNESS_SETTINGS]
    rows += _rows("", VIEW_SETTINGS, "view")
    rows += _rows("origin.", ORIGIN_SETTINGS, "view")
    rows += _rows("", FEATURE_SETTINGS, "feature")
    for section, settings in SECTIONS.items():
        rows += _rows(f"{section}.", settings, "file")
    return rows


def _rows(prefix: str, settings: Iterable[Setting], where: str) -> list[str]:
    """Rows of settings that stand in one place only."""
    return [_row(prefix + setting.name, setting, where) for setting in settings]


def _row(name: str, setting: Setting, where: str) -> str:
    """One row of a Markdown table."""
    takes = f" Takes {setting.kind.expected}." if setting.kind.is_choice else ""
    return f"| `{name}` | `{setting.show(setting.default)}` | {where} | {setting.meaning}{takes} |"


if __name__ == "__main__":
    print("\n".join(["| Setting | Default | Stands in | Meaning |", "|---|---|---|---|", *setting_rows()]))
