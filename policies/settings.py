"""The table of every setting that the policy file takes: the loader, the defaults, explain and the docs read it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from policies import duration, percentage


class Kind(NamedTuple):
    """How a setting is written: what is expected, how its text is read, how a value is shown; a closed list or not."""

    expected: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str] = str
    is_choice: bool = False


class OutOfBounds(ValueError):
    """Well-formed, but not a value that the setting can have; ``expected`` says which."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def _one_of(*choices: str) -> Kind:
    """Text out of a closed list."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return Kind(f"{', '.join(choices[:-1])} or {choices[-1]}", parse, is_choice=True)


def _parse_bool(text: str) -> bool:
    """``true`` or ``false``, and nothing else that YAML calls so."""
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _bounded(kind: Kind, expected: str, holds: Callable[[Any], bool]) -> Kind:
    """A kind of which only some values are good."""

    def parse(text: str) -> Any:
        value = kind.parse(text)
        if not holds(value):
            raise OutOfBounds(expected)
        return value

    return Kind(kind.expected, parse, kind.format)


TICK_MS = 10  # entries are aged in ticks of 10 ms: a shorter window could not be told from none
MAX_WINDOW_MS = 240 * 86_400_000  # ages wrap after 497 days: every entry runs out, and is swept, well before
MAX_DEADLINE_MS = 3_600_000  # nobody waits an hour for a feature
DURATION = Kind(duration.EXPECTED, duration.parse_duration, duration.format_duration)
WINDOW = _bounded(
    DURATION,
    "0s, or from 10ms to 240d",
    lambda value: value == 0 or TICK_MS <= value <= MAX_WINDOW_MS,
)
DEADLINE = _bounded(DURATION, "from 1ms to 1h", lambda value: 1 <= value <= MAX_DEADLINE_MS)
BACKOFF = _bounded(DURATION, "at most 1h", lambda value: value <= MAX_DEADLINE_MS)
PERIOD = _bounded(DURATION, "at least 1s", lambda value: value >= 1000)
PERCENTAGE = Kind(percentage.EXPECTED, percentage.parse_percentage, percentage.format_percentage)
BOOL = Kind("true or false", _parse_bool, lambda value: "true" if value else "false")
UNAVAILABLE = _one_of("error", "nil")
DTYPE = _one_of("string", "bool", "int32", "int64", "float32", "float64", "bytes")
DURABILITY = _one_of("none", "majority", "majority_and_persist", "persist_to_majority")
LAYOUT = _one_of("json", "binary", "feast")
FLUSH = _one_of("refuse", "memory")


class Setting(NamedTuple):
    """One scalar setting: where it may stand, how it is written, its value when nobody writes it, what it does."""

    name: str
    kind: Kind
    default: Any
    meaning: str
    levels: tuple[str, ...] = ()  # of defaults, view, feature; empty: only in its own section

    def show(self, value: Any) -> str:
        """A value as it would be written."""
        return "unset" if value is None else self.kind.format(value)


_ALL = ("defaults", "view", "feature")
_ROW = ("defaults", "view")

FRESHNESS_SETTINGS = (
    Setting("ttl", WINDOW, 30_000, "Fresh this long. 0s: never answered from memory.", _ALL),
    Setting("jitter", PERCENTAGE, 0.1, "Shortens ttl by up to this much, deterministic per entry.", _ALL),
    Setting("stale_while_revalidate", WINDOW, 10_000, "After ttl: answered from memory and refreshed behind.", _ALL),
    Setting("stale_if_error", WINDOW, 300_000, "After that: answered from memory only while the origin fails.", _ALL),
    Setting("negative_ttl", WINDOW, 2_000, 'How long "the origin has no such document" is remembered.', _ROW),
    Setting("on_unavailable", UNAVAILABLE, "error", "The answer when there is nothing to serve.", _ALL),
    Setting("deadline", DEADLINE, 250, "A read's whole budget, queueing included.", _ROW),
    Setting("write_deadline", DEADLINE, 2_000, "A write's budget; past it the outcome is unknown.", _ROW),
    Setting(
        "read_error_backoff",
        BACKOFF,
        1_000,
        "After a failed read of a row: how long its readers get stale values or the error at once.",
        _ROW,
    ),
)

VIEW_SETTINGS = (
    Setting("durability", DURABILITY, "none", "What a write waits for before it is acknowledged (Couchbase)."),
    Setting("document_expiry", BOOL, False, "Read the document's own expiry with each fill (Couchbase)."),
)
ORIGIN_SETTINGS = (Setting("layout", LAYOUT, "json", "How documents are laid out (Couchbase)."),)
FEATURE_SETTINGS = (Setting("dtype", DTYPE, None, "Type of the value in the document. Unset: text is kept as text."),)
SECTIONS = {
    "prefetch": (
        Setting("learn", BOOL, True, "Learn which keys are asked for together."),
        Setting("budget", PERCENTAGE, 0.1, "Documents fetched on a guess and not asked for, as a share of those read."),
        Setting("min_precision", PERCENTAGE, 0.5, "Share of guesses that must prove right."),
        Setting("window", WINDOW, 100, "Reads this close together count as one request."),
    ),
    "snapshot": (
        Setting("values", BOOL, True, "Keep values, not only keys."),
        Setting("every", PERIOD, 60_000, "How often a snapshot is written."),
    ),
    "warmup": (
        Setting("level", PERCENTAGE, 0.9, "Ready once this share of the snapshot is back."),
        Setting("timeout", DURATION, 10_000, "Ready after this long in any case."),
    ),
    "commands": (
        Setting("flush", FLUSH, "refuse", "FLUSHALL and FLUSHDB are refused, or empty the memory tier only."),
    ),
}
BY_LEVEL = {level: tuple(row for row in FRESHNESS_SETTINGS if level in row.levels) for level in _ALL}
DEFAULTS = {setting.name: setting.default for setting in FRESHNESS_SETTINGS}
BY_NAME = {setting.name: setting for setting in FRESHNESS_SETTINGS}
