"""What can be wrong with a request, split by who must act, and Redis 7.4's texts, word for word.

Texts that only one command needs stand with that command.
"""

from typing import Final

from protocol.replies import ErrorReply


class ProtocolViolation(Exception):
    """The peer broke the framing: ``text`` goes out as an error (b"": nothing goes out), then the connection closes."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text.decode("utf-8", "backslashreplace"))
        self.text = text


class CommandRejected(Exception):
    """A bad command: ``reply`` is its answer and the connection lives."""

    def __init__(self, reply: ErrorReply) -> None:
        super().__init__(reply.text.decode("utf-8", "backslashreplace"))
        self.reply = reply


WRONG_TYPE: Final = ErrorReply(b"WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX_ERROR: Final = ErrorReply(b"ERR syntax error")
NOT_AN_INTEGER: Final = ErrorReply(b"ERR value is not an integer or out of range")
OUT_OF_RANGE: Final = ErrorReply(b"ERR value is out of range")
MUST_BE_POSITIVE: Final = ErrorReply(b"ERR value is out of range, must be positive")
NO_SUCH_KEY: Final = ErrorReply(b"ERR no such key")
INVALID_CURSOR: Final = ErrorReply(b"ERR invalid cursor")
DB_OUT_OF_RANGE: Final = ErrorReply(b"ERR DB index is out of range")
INTERNAL: Final = ErrorReply(b"ERR internal error")

NOT_AUTHENTICATED: Final = ErrorReply(b"NOAUTH Authentication required.")
HELLO_NOT_AUTHENTICATED: Final = ErrorReply(
    b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> "
    b"<pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
)
WRONG_PASSWORD: Final = ErrorReply(b"WRONGPASS invalid username-password pair or user is disabled.")
NO_PASSWORD_SET: Final = ErrorReply(
    b"ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?"
)
UNSUPPORTED_PROTOCOL: Final = ErrorReply(b"NOPROTO unsupported protocol version")
PROTOCOL_NOT_AN_INTEGER: Final = ErrorReply(b"ERR Protocol version is not an integer or out of range")

NESTED_MULTI: Final = ErrorReply(b"ERR MULTI calls can not be nested")
EXEC_WITHOUT_MULTI: Final = ErrorReply(b"ERR EXEC without MULTI")
DISCARD_WITHOUT_MULTI: Final = ErrorReply(b"ERR DISCARD without MULTI")
EXEC_ABORTED: Final = ErrorReply(b"EXECABORT Transaction discarded because of previous errors.")

FIELDS_MISSING: Final = ErrorReply(b"ERR Mandatory argument FIELDS is missing or not at the right position")
FIELDS_MISCOUNTED: Final = ErrorReply(b"ERR The `numfields` parameter must match the number of arguments")

_SHOWN_BYTES: Final = 128  # of a name or of all arguments, as Redis's "%.128s"


def _c_string(text: bytes, most: int) -> bytes:
    """What C's ``%.*s`` prints: up to the first NUL."""
    return text[:most].partition(b"\0")[0]


def wrong_arity(name: bytes) -> ErrorReply:
    """``name`` as in the command table: lower case, ``client|setname``."""
    return ErrorReply(b"ERR wrong number of arguments for '%b' command" % name)


def unknown_command(args: list[bytes]) -> ErrorReply:
    """The whole command as it came; CR and LF are sent as spaces."""
    shown = b""
    for arg in args[1:]:
        if len(shown) >= _SHOWN_BYTES:
            break
        shown += b"'%b' " % _c_string(arg, _SHOWN_BYTES - len(shown))
    name = _c_string(args[0], _SHOWN_BYTES)
    return ErrorReply(b"ERR unknown command '%b', with args beginning with: %b" % (name, shown))


def unknown_subcommand(args: list[bytes]) -> ErrorReply:
    """A container command without such a subcommand; ``args`` as they came."""
    container = _c_string(args[0], len(args[0])).upper()
    return ErrorReply(b"ERR unknown subcommand '%b'. Try %b HELP." % (_c_string(args[1], _SHOWN_BYTES), container))


def invalid_expire_time(name: bytes) -> ErrorReply:
    """An expiry that is zero or negative where that is refused, or overflows."""
    return ErrorReply(b"ERR invalid expire time in '%b' command" % name)
