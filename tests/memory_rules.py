"""Two small policies for tests of the memory tier, as a RuleTable's rows and its resolver."""

from memory_model import FEAST_ROW, FEAST_TIMESTAMP, Rules

LIMITS = [
    (300, 400, 3400, 20, 0, 0, 0),
    (2, 12, 312, 20, 0, 0, 0),  # fast fields
    (30, 30, 30, 30, 0, 1, 0),  # another view
    (50, 60, 90, 5, 0, 2, FEAST_ROW),
    (0, 0, 0, 0, 0, 2, FEAST_TIMESTAMP),
    (1000, 2000, 9000, 7, 0, 0, 0),
]


def make_rules(version: int) -> Rules:
    """Two policies whose patterns differ."""

    def row_rule(key: bytes) -> int:
        return 3 if key.startswith(b"feast:") else 5 if version and key.startswith(b"user:1") else 0

    def field_rule(row_rule: int, name: bytes) -> int:
        if name.startswith(b"_ts:"):
            return 4 if row_rule == 3 else row_rule
        if name.startswith(b"fast_"):
            return 1 if version == 0 else 0
        return 2 if name == b"other_view" else row_rule

    return Rules(LIMITS, version, row_rule, field_rule)
