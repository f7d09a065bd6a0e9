from typing import Self, final

from protocol.replies import Reply

@final
class ReplySlots:
    """Replies in the order asked, whatever the order in which they become known."""

    def __new__(cls) -> Self: ...
    @property
    def open_count(self) -> int:
        """Slots that are not filled."""
    @property
    def open_bytes(self) -> int:
        """The part of queued_bytes that open slots and their commands hold."""
    @property
    def lazy_count(self) -> int:
        """LazyArrays that are not wholly encoded."""
    @property
    def queued_bytes(self) -> int:
        """About what waits behind the first open slot."""
    def reply(self, reply: Reply, proto: int) -> int:
        """The next reply, known at once; answers 0."""
    def append_bytes(self, finished: bytes) -> None:
        """The next reply, already as bytes."""
    def open(self, proto: int, held: int = 0) -> int:
        """The next reply's place, to be filled later under this RESP version; its number.

        Args:
            held: bytes that its command holds until then, counted in queued_bytes.
        """
    def fill(self, slot: int, reply: Reply) -> bool:
        """Give a slot its reply. True: it is the first, so there is something to send.

        Raises:
            KeyError: unknown or filled.
        """
    def clear(self) -> None:
        """The connection is gone: forget all."""
