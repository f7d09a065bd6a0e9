from typing import Self, final

from protocol._field_lists import FieldLists
from protocol._slots import ReplySlots

@final
class Session:
    """One client's conversation without its socket: bytes in, commands out; replies in, bytes out.

    Args:
        id: CLIENT ID.
        lists: the process's field lists; None: its own.
        needs_password: it must authenticate first.
        max_bulk_bytes: the longest argument; None: 32 MiB.
    """

    proto: int
    needs_password: bool
    pause_bytes: int
    closing: bool
    name: bytes
    lib_name: bytes
    lib_version: bytes
    user: bytes
    peer: str
    local: str
    no_evict: bool
    no_touch: bool
    connected_at: float
    last_command_at: float
    last_command: bytes
    commands: int
    queue: list[list[bytes]] | None
    queue_bytes: int
    queue_failed: bool
    extra: object
    def __new__(
        cls,
        id: int = 0,
        *,
        lists: FieldLists | None = None,
        needs_password: bool = False,
        max_bulk_bytes: int | None = None,
    ) -> Self: ...
    @property
    def id(self) -> int: ...
    @property
    def authenticated(self) -> bool: ...
    @property
    def slots(self) -> ReplySlots: ...
    @property
    def list_id(self) -> int:
        """Number of the remembered field list that the last command had; 0: it was parsed in full."""
    @property
    def mid_request(self) -> bool:
        """An incomplete request is held."""
    @property
    def held_bytes(self) -> int:
        """Memory that the parser holds for this client."""
    @property
    def pending_output_bytes(self) -> int:
        """Replies that were not taken, those behind open slots included."""
    def authenticate(self) -> None:
        """The client proved who it is: the limits for strangers are lifted."""
    def reset(self) -> None:
        """RESET: RESP2, no name, out of MULTI, and out of AUTH where a password is set."""
    def violated(self) -> None:
        """The parser met a violation: its error goes behind the replies owed, and the session closes."""
    def feed(self, data: bytes) -> None:
        """Bytes that arrived, any number of them."""
    def next_command(self) -> list[bytes] | None:
        """The next command's arguments, name first; None: more data is needed, or the session closes.

        Raises:
            ProtocolViolation: the peer broke the framing; its error is in the output and the session closes.
        """
    def unread(self) -> None:
        """Give the command that next_command just gave again at the next call: too much output waits."""
    def take_output(self, limit: int | None = None) -> bytes:
        """Replies up to the first open slot; with a limit no more than it and one element, the rest later."""
