"""A count that forgets: what happened a half-life ago weighs half."""


class Decayed:
    """Exponential decay, applied when time passes and not at each event."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Something happened now; negative: what was added before was wrong."""
        self.value = max(0.0, self.value + amount)

    def fade(self, share: float) -> None:
        """Time passed after which this share of the weight is left."""
        self.value *= share
