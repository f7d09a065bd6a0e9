"""The commands that this sidecar answers: a row of the command table joined with its handler."""

from collections.abc import Mapping
from typing import Any

from protocol import COMMANDS
from protocol.replies import Reply
from sidecar.commands import (
    client_command,
    command_command,
    connection,
    expiries,
    field_expiry,
    hash_scan,
    hashes,
    info,
    keys,
    scan,
    server_commands,
    strings,
    transactions,
)
from sidecar.commands.entry import Entry
from sidecar.commands.services import Handler, Services

MODULES = (
    strings,
    hashes,
    info,
    hash_scan,
    field_expiry,
    keys,
    expiries,
    scan,
    connection,
    client_command,
    command_command,
    server_commands,
    info,
    transactions,
)
INSIDE_EXEC: dict[bytes, Handler] = {b"mget": strings.mget_at_once}  # instead of their usual handlers


def find_entries(more: Mapping[bytes, Handler]) -> dict[bytes, Entry]:
    """Every entry by its name in lower and in upper case; subcommands stand in their container's."""
    handlers = dict(more)
    for module in MODULES:
        handlers.update(module.HANDLERS)
    found = {}
    for name, spec in COMMANDS.items():
        entry = Entry(spec, handlers[name] if name in handlers or not spec.subcommands else _container_alone)
        if spec.subcommands:
            entry.subcommands = {
                word: Entry(subcommand, handlers[subcommand.name]) for word, subcommand in spec.subcommands.items()
            }
        found[name] = found[name.upper()] = entry
    return found


def _container_alone(services: Services, session: Any, args: list[bytes]) -> Reply:
    """The arity of CLIENT, CONFIG... asks for a subcommand: this is never reached."""
    raise AssertionError(args)
