from typing import Self, final

@final
class FieldLists:
    """Field lists of HMGET that were seen twice, so that they need no parsing: one object a process."""

    def __new__(cls) -> Self: ...
    def free_retired(self) -> None:
        """Free what was replaced; only while no command that was parsed is still held."""
    @property
    def known(self) -> int:
        """How many lists are remembered."""
