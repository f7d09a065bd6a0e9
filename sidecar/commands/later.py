"""A command's reply that is not known yet."""

from collections.abc import Callable
from typing import Any

from protocol.replies import Reply

PENDING: Any = object()


class Later:
    """One shot: set once, heard by one callback. Lighter than a future: no loop, no cancellation, no exception."""

    __slots__ = ("_callback", "reply")

    def __init__(self) -> None:
        self.reply: Reply = PENDING  # PENDING until set
        self._callback: Callable[[Reply], None] | None = None

    def set(self, reply: Reply) -> None:
        """Give the reply; to be called once."""
        self.reply = reply
        if self._callback is not None:
            self._callback(reply)

    def then(self, callback: Callable[[Reply], None]) -> None:
        """Call back with the reply, at once when it is already there."""
        if self.reply is PENDING:
            self._callback = callback
        else:
            callback(self.reply)
