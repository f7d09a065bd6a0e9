"""Commands by name, built from the command table once at import."""

from typing import Any, Final

from protocol.command_spec import CATEGORY_ORDER, CommandSpec
from protocol.command_table import ROWS

# Numbers that the hot path is compiled with: CommandId of _commands.pxd, where a test compares them.
FIXED_IDS: Final = {
    b"get": 1,
    b"mget": 2,
    b"hget": 3,
    b"hmget": 4,
    b"hgetall": 5,
    b"ping": 6,
    b"set": 7,
    b"hset": 8,
    b"exists": 9,
}
LAST_FIXED_ID: Final = 31

# Commands that share a metric label, so that the labels stay at most 64; every other command is its own.
SHARED_FAMILY: Final = {
    **dict.fromkeys((b"pexpire", b"expireat", b"pexpireat"), "expire"),
    **dict.fromkeys((b"pttl", b"expiretime", b"pexpiretime"), "ttl"),
    **dict.fromkeys((b"hpexpire", b"hexpireat", b"hpexpireat"), "hexpire"),
    **dict.fromkeys((b"hpttl", b"hexpiretime", b"hpexpiretime"), "httl"),
}


def _implied_categories(flags: frozenset[str]) -> set[str]:
    """As Redis's setImplicitACLCategories."""
    implied = {"fast" if "fast" in flags else "slow"}
    if "write" in flags:
        implied.add("write")
    if "readonly" in flags:
        implied.add("read")
    if "admin" in flags:
        implied |= {"admin", "dangerous"}
    return implied


def _spec(name: bytes, group: str, row: dict[str, Any], number: int, family: int) -> CommandSpec:
    flags = frozenset(row["flags"].split())
    categories = _implied_categories(flags) | set(row.get("categories", "").split())
    first, last, step = row.get("keys", (0, 0, 0))
    return CommandSpec(
        name=name,
        arity=row["arity"],
        flags=flags,
        first_key=first,
        last_key=last,
        key_step=step,
        access=tuple(row.get("access", "").split()),
        categories=tuple(each for each in CATEGORY_ORDER if each in categories),
        group=group,
        since=row["since"],
        complexity=row.get("complexity", "O(1)"),
        tips=tuple(row.get("tips", "").split()),
        summary=row["summary"],
        note=row.get("note", ""),
        id=number,
        family=family,
    )


def _build() -> tuple[dict[bytes, CommandSpec], tuple[str, ...]]:
    commands: dict[bytes, CommandSpec] = {}
    families = ["other"]
    next_id = LAST_FIXED_ID + 1
    for group, rows in ROWS.items():
        for text, row in rows:
            name = text.encode()
            container, _, subcommand = name.partition(b"|")
            if subcommand:
                parent = commands[container]
                parent.subcommands[subcommand] = _spec(name, group, row, 0, parent.family)
                continue
            label = SHARED_FAMILY.get(name, text)
            if label not in families:
                families.append(label)
            number = FIXED_IDS.get(name, next_id)
            next_id += number == next_id
            commands[name] = _spec(name, group, row, number, families.index(label))
    return commands, tuple(families)


COMMANDS, FAMILIES = _build()  # FAMILIES: metric labels by family number; 0, "other", is for unknown commands


def command(name: bytes) -> CommandSpec | None:
    """The command of this name, in any case; None: it is not served."""
    return COMMANDS.get(name.lower())
