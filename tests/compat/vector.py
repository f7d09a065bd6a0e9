"""A conversation with a server, byte for byte, the same with a real redis-server and with us."""

from dataclasses import dataclass

Step = tuple[str | bytes, bytes]


@dataclass(frozen=True)
class Vector:
    """Commands and the exact bytes of their replies, on a connection of its own.

    ``@name`` is a key of the vector's own. A command given as bytes is sent raw; a reply of b"" means that the server
    closes the connection.

    Attributes:
        since: the first Redis that answers so.
    """

    name: str
    steps: tuple[Step, ...]
    since: tuple[int, int] = (7, 0)
    resp3: bool = False


def vector(name: str, *steps: Step, since: tuple[int, int] = (7, 0), resp3: bool = False) -> Vector:
    """Spelled so that a table of them reads well."""
    return Vector(name, steps, since, resp3)
