"""Raw replies, written by hand for the vectors: nothing here knows our own writer."""

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"
NIL = b"$-1\r\n"
NULL3 = b"_\r\n"
WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
SYNTAX = b"-ERR syntax error\r\n"
NOT_INTEGER = b"-ERR value is not an integer or out of range\r\n"


def bulk(text: str | bytes) -> bytes:
    """A bulk string."""
    data = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%b\r\n" % (len(data), data)


def num(value: int) -> bytes:
    """An integer."""
    return b":%d\r\n" % value


def status(text: str) -> bytes:
    """A simple string."""
    return b"+" + text.encode() + b"\r\n"


def err(text: str) -> bytes:
    """An error with code ERR."""
    return b"-ERR " + text.encode() + b"\r\n"


def arity(name: str) -> bytes:
    """The wrong number of arguments."""
    return err(f"wrong number of arguments for '{name}' command")


def array(*items: bytes) -> bytes:
    """An array of raw replies."""
    return b"*%d\r\n" % len(items) + b"".join(items)


def map3(*items: bytes) -> bytes:
    """A RESP3 map of raw keys and values."""
    return b"%%%d\r\n" % (len(items) // 2) + b"".join(items)
