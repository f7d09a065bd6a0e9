"""COMMAND: everything that it answers stands in the command table."""

from typing import Any

from protocol.command_replies import command_reply
from protocol.replies import Reply
from sidecar.commands.services import Handler, Services


def command(services: Services, session: Any, args: list[bytes]) -> Reply:
    """COMMAND [COUNT | INFO | DOCS | LIST | GETKEYS ...]"""
    return command_reply(args)


HANDLERS: dict[bytes, Handler] = dict.fromkeys(
    (b"command", b"command|count", b"command|docs", b"command|getkeys", b"command|info", b"command|list"), command
)
