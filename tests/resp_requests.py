"""Requests as clients encode them, for tests."""


def request(*args: bytes) -> bytes:
    """One command as an array of bulk strings."""
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)
