from typing import Self, final

from protocol.replies import Reply

@final
class ReplyBuffer:
    """Bytes of replies; C code writes into it."""

    def __new__(cls, *, tight: bool = False) -> Self: ...
    def encode(self, reply: Reply, proto: int) -> int:
        """Append a reply for RESP2 or RESP3; answers 0.

        Raises:
            TypeError: not a reply.
            OverflowError: an integer beyond 64 bits.
            RuntimeError: a LazyArray of another length than announced.
        """
    def take(self, most: int = ...) -> bytes:
        """The bytes that were not consumed, at most `most`, consuming them."""
