"""Who goes first when the origin has too few places: the order of leaving, and in reverse of being shed."""

from enum import IntEnum


class Priority(IntEnum):
    """Lower leaves first."""

    DEMAND = 0  # writes, and reads that somebody waits for
    REVALIDATION = 1  # refreshing behind a stale answer
    SPECULATIVE = 2  # prefetch and warm start: only where there is room to spare, shed first
