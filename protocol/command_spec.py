"""What a command is: one row of the command table, as Redis's COMMAND tells it, and what this proxy adds."""

from dataclasses import dataclass, field
from typing import Final

# The order in which Redis lists categories.
CATEGORY_ORDER: Final = (
    *("keyspace", "read", "write", "hash", "string", "admin", "fast", "slow"),
    *("dangerous", "connection", "transaction"),
)


@dataclass(frozen=True, slots=True, eq=False)
class CommandSpec:
    """One command or subcommand.

    Attributes:
        name: lower case; a subcommand's is ``container|subcommand``, as Redis's errors and COMMAND print it.
        arity: arguments including the name (a subcommand's: both names); negative: at least.
        flags: Redis's flags, and ``barrier`` for commands that wait for all earlier ones of their connection.
        first_key, last_key, key_step: positions of keys; 0: none; a negative last counts from the end.
        access: flags of the key, as in COMMAND's key specifications.
        categories: ACL categories in Redis's order, without ``@``.
        id: what the hot path switches on, see CommandId; 0 for subcommands.
        family: number of the metric label, see FAMILIES.
        note: what is particular about it here; for the documentation.
    """

    name: bytes
    arity: int
    flags: frozenset[str]
    first_key: int
    last_key: int
    key_step: int
    access: tuple[str, ...]
    categories: tuple[str, ...]
    group: str
    since: str
    complexity: str
    tips: tuple[str, ...]
    summary: str
    note: str
    id: int
    family: int
    subcommands: "dict[bytes, CommandSpec]" = field(default_factory=dict)

    @property
    def is_write(self) -> bool:
        """It changes what the origin or the memory tier holds."""
        return "write" in self.flags

    @property
    def is_barrier(self) -> bool:
        """It waits for all earlier commands of its connection."""
        return "barrier" in self.flags

    @property
    def needs_auth(self) -> bool:
        """A connection that has not authenticated may not use it."""
        return "no_auth" not in self.flags

    def subcommand(self, args: list[bytes]) -> "CommandSpec | None":
        """The subcommand that these arguments name; the command itself where none is named or it has none.

        None: a container has no such subcommand.
        """
        if not self.subcommands or len(args) < 2:
            return self
        return self.subcommands.get(args[1].lower())

    def accepts(self, count: int) -> bool:
        """Whether ``count`` arguments, the name included, fit the arity."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    def keys(self, args: list[bytes]) -> list[bytes]:
        """The keys among the arguments, in their order; of a container, the subcommand's. Arguments may be too few."""
        spec = self.subcommand(args)
        if spec is None or spec.first_key == 0:
            return []
        last = spec.last_key if spec.last_key >= 0 else len(args) + spec.last_key
        return args[spec.first_key : last + 1 : spec.key_step]
