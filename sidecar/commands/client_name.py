"""What a client may call itself."""

from protocol.errors import CommandRejected
from protocol.replies import ErrorReply

BAD_NAME = ErrorReply(b"ERR Client names cannot contain spaces, newlines or special characters.")


def is_printable(text: bytes) -> bool:
    """Only ``!`` to ``~``: CLIENT LIST is split at spaces and lines."""
    return all(0x21 <= byte <= 0x7E for byte in text)


def check_name(name: bytes) -> bytes:
    """A client's name; empty: none.

    Raises:
        CommandRejected: with spaces, newlines or special characters.
    """
    if not is_printable(name):
        raise CommandRejected(BAD_NAME)
    return name
