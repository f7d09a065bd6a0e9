"""What the dispatcher must know of one command."""

from protocol import CommandSpec
from sidecar.commands.services import Handler

INSIDE_MULTI = {b"exec", b"discard", b"multi", b"quit", b"reset"}  # run at once, never queued
# Writes that submit one write of their key and nothing else, or answer at once. Not HEXPIRE: a bad argument makes it
# read; and EXPIRE with two options may have to ask first.
SUBMITTED = {
    b"del", b"expire", b"expireat", b"getdel", b"hdel", b"hmset", b"hset", b"hsetnx", b"persist", b"pexpire",
    b"pexpireat", b"psetex", b"set", b"setex", b"setnx", b"unlink",
}  # fmt: skip
# Reads of values: what prefetching follows. What asks only whether or how much there is says little of what comes next.
VALUES = {b"get", b"hget", b"hgetall", b"hmget", b"hvals", b"mget"}
EXPIRE_WITH_ONE_OPTION = 4  # words
AT_ONCE = {b"quit", b"reset"}  # barriers whose effect is on the session alone: reply order is order enough


class Entry:
    """What the dispatcher must know of one command or subcommand.

    Attributes:
        name: lower case, ``client|id`` for a subcommand: as error texts name it.
        subcommands: of a container such as CLIENT, by lower-case name.
        key_is_first: the only key is the first argument.
        submits: it is one of SUBMITTED.
        asks_values: it is one of VALUES.
    """

    __slots__ = (
        "_expires",
        "arity",
        "asks_values",
        "barrier",
        "before_auth",
        "family",
        "handler",
        "inside_multi",
        "key_is_first",
        "name",
        "spec",
        "subcommands",
        "submits",
    )

    def __init__(self, spec: CommandSpec, handler: Handler) -> None:
        self.spec = spec
        self.name: bytes = spec.name
        self.arity: int = spec.arity
        self.handler = handler
        self.family: int = spec.family
        self.before_auth = not spec.needs_auth
        self.inside_multi = spec.name in INSIDE_MULTI
        self.barrier = spec.is_barrier and spec.name not in AT_ONCE
        self.key_is_first = spec.first_key == 1 and spec.last_key == 1
        self.submits = spec.name in SUBMITTED
        self.asks_values = spec.name in VALUES
        self._expires = self.submits and spec.name.lstrip(b"p").startswith(b"expire")
        self.subcommands: dict[bytes, Entry] | None = None

    def takes(self, count: int) -> bool:
        """Whether a command of so many words, its name included, is well-formed."""
        return count == self.arity if self.arity > 0 else count >= -self.arity

    def shares(self, args: list[bytes]) -> bool:
        """Whether it may run though earlier writes of its one key are unresolved: it is applied after them."""
        if not self.submits or (self._expires and len(args) > EXPIRE_WITH_ONE_OPTION):
            return False
        return self.key_is_first or len(args) == 2  # DEL of one key

    def keys_of(self, args: list[bytes]) -> tuple[bytes, ...]:
        """The keys that a command names, none twice; none for a barrier, which waits for all."""
        if self.barrier or not self.spec.first_key:
            return ()
        return tuple(dict.fromkeys(self.spec.keys(args)))
