def parse_integer(text: bytes) -> int:
    """A decimal integer of 64 bits as Redis takes it: no `+`, no leading zero, no space.

    Raises:
        ValueError: it is none.
    """
