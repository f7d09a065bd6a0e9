"""What COMMAND and its subcommands answer, from the command table. Shapes and errors as Redis 7.4."""

from collections.abc import Callable, Iterator
from typing import Final

from protocol import errors
from protocol._glob import glob_match
from protocol.command_spec import CommandSpec
from protocol.commands import COMMANDS
from protocol.replies import ErrorReply, Reply, SetReply, Status

# In the order in which Redis lists flags.
FLAG_ORDER: Final = (
    *("write", "readonly", "denyoom", "admin", "noscript", "loading", "stale", "skip_slowlog", "fast", "no_auth"),
    "allow_busy",
)


def command_reply(args: list[bytes]) -> Reply:
    """The answer to COMMAND with its arguments; the number of arguments has been checked against the table."""
    if len(args) == 1:
        return command_info([])
    return SUBCOMMANDS[args[1].lower()](args[2:])


def command_count(args: list[bytes]) -> Reply:
    """COMMAND COUNT."""
    return len(COMMANDS)


def command_info(names: list[bytes]) -> Reply:
    """COMMAND INFO: ten facts for each name, null for an unknown one; without names all commands."""
    if not names:
        return [_facts(spec) for spec in COMMANDS.values()]
    found = map(_find, names)
    return [None if spec is None else _facts(spec) for spec in found]


def command_docs(names: list[bytes]) -> Reply:
    """COMMAND DOCS: unknown names are left out; arguments are not described."""
    specs = COMMANDS.values() if not names else filter(None, map(_find, names))
    return {spec.name: _documentation(spec) for spec in specs}


def command_list(args: list[bytes]) -> Reply:
    """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern], subcommands included when filtered."""
    if not args:
        return list(COMMANDS)
    if len(args) != 3 or args[0].lower() != b"filterby":
        return errors.SYNTAX_ERROR
    sort, wanted = args[1].lower(), args[2].lower()
    if sort == b"module":
        return []
    if sort == b"aclcat":
        category = wanted.decode("latin-1")
        return [spec.name for spec in _with_subcommands() if category in spec.categories]
    if sort == b"pattern":
        return [spec.name for spec in _with_subcommands() if glob_match(wanted, spec.name)]
    return errors.SYNTAX_ERROR


def command_getkeys(args: list[bytes]) -> Reply:
    """COMMAND GETKEYS: the keys of the command that follows."""
    spec = COMMANDS.get(args[0].lower())
    spec = spec and spec.subcommand(args)
    if spec is None:
        return ErrorReply(b"ERR Invalid command specified")
    if spec.first_key == 0:
        return ErrorReply(b"ERR The command has no key arguments")
    if not spec.accepts(len(args)):
        return ErrorReply(b"ERR Invalid number of arguments specified for command")
    return list(spec.keys(args))


def _find(name: bytes) -> CommandSpec | None:
    """By name, ``container|subcommand`` included."""
    container, _, subcommand = name.lower().partition(b"|")
    spec = COMMANDS.get(container)
    return spec.subcommands.get(subcommand) if spec and subcommand else spec


def _with_subcommands() -> Iterator[CommandSpec]:
    for spec in COMMANDS.values():
        yield spec
        yield from spec.subcommands.values()


def _facts(spec: CommandSpec) -> Reply:
    return [
        spec.name,
        spec.arity,
        SetReply([Status(flag.encode()) for flag in FLAG_ORDER if flag in spec.flags]),
        spec.first_key,
        spec.last_key,
        spec.key_step,
        SetReply([Status(b"@" + category.encode()) for category in spec.categories]),
        SetReply([tip.encode() for tip in spec.tips]),
        SetReply([_key_specification(spec)] if spec.first_key else []),
        SetReply([_facts(subcommand) for subcommand in spec.subcommands.values()]),
    ]


def _key_specification(spec: CommandSpec) -> Reply:
    last = spec.last_key - spec.first_key if spec.last_key >= 0 else spec.last_key
    return {
        b"flags": SetReply([Status(flag.encode()) for flag in spec.access]),
        b"begin_search": {b"type": b"index", b"spec": {b"index": spec.first_key}},
        b"find_keys": {
            b"type": b"range",
            b"spec": {b"lastkey": last, b"keystep": spec.key_step, b"limit": 0},
        },
    }


def _documentation(spec: CommandSpec) -> Reply:
    documentation: dict[Reply, Reply] = {
        b"summary": spec.summary.encode(),
        b"since": spec.since.encode(),
        b"group": spec.group.encode(),
        b"complexity": spec.complexity.encode(),
    }
    if spec.subcommands:
        documentation[b"subcommands"] = {each.name: _documentation(each) for each in spec.subcommands.values()}
    return documentation


SUBCOMMANDS: Final[dict[bytes, Callable[[list[bytes]], Reply]]] = {
    b"count": command_count,
    b"info": command_info,
    b"docs": command_docs,
    b"list": command_list,
    b"getkeys": command_getkeys,
}
