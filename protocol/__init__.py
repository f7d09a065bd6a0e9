"""RESP2 and RESP3 without I/O: parsing, commands, replies."""

from protocol._decimal import parse_integer
from protocol._field_lists import FieldLists
from protocol._glob import glob_match
from protocol._session import Session
from protocol.command_spec import CommandSpec
from protocol.commands import COMMANDS, FAMILIES, command
from protocol.errors import CommandRejected, ProtocolViolation
from protocol.replies import (
    NULL_ARRAY,
    OK,
    PONG,
    QUEUED,
    WAIT,
    ErrorReply,
    LazyArray,
    Reply,
    SetReply,
    Status,
    Verbatim,
)

__all__ = [
    "COMMANDS",
    "FAMILIES",
    "NULL_ARRAY",
    "OK",
    "PONG",
    "QUEUED",
    "WAIT",
    "CommandRejected",
    "CommandSpec",
    "ErrorReply",
    "FieldLists",
    "LazyArray",
    "ProtocolViolation",
    "Reply",
    "Session",
    "SetReply",
    "Status",
    "Verbatim",
    "command",
    "glob_match",
    "parse_integer",
]
