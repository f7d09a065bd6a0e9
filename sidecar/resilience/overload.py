"""Whether a queue stands: the rule by which reads are served newest first and the oldest are shed.

CoDel's rule (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012): a queue that bursts fill and that
empties again is good; one in which everybody has waited longer than TARGET for as long as INTERVAL stands, and only
makes everybody late. Then the newest first, and whoever has waited long gives up its place: adaptive LIFO, "Fail at
Scale" (Maurer, ACM Queue 2015). Over when the queue was empty.
"""

TARGET_NS = 5_000_000
INTERVAL_NS = 100_000_000


class Overload:
    """Watches one queue.

    Attributes:
        is_on: the queue stands.
    """

    __slots__ = ("_late_since_ns", "is_on")

    def __init__(self) -> None:
        self.is_on = False
        self._late_since_ns = 0  # 0: nobody has waited longer than TARGET

    def observe(self, longest_wait_ns: int, now_ns: int) -> None:
        """How long the one at the head of the queue has waited; 0: it is empty."""
        if not longest_wait_ns:
            self._late_since_ns = 0
            self.is_on = False
        elif self.is_on:
            return
        elif longest_wait_ns <= TARGET_NS:
            self._late_since_ns = 0
        elif not self._late_since_ns:
            self._late_since_ns = now_ns
        elif now_ns - self._late_since_ns >= INTERVAL_NS:
            self.is_on = True
