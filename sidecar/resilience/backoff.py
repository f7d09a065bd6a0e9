"""How long to wait before asking again: full jitter, so that those who failed together do not come back together.

"Exponential Backoff And Jitter" (Brooker, AWS Architecture Blog, 2015): a random time between nothing and a bound that
doubles with each attempt.
"""

from random import Random

FIRST_NS = 10_000_000
MOST_NS = 100_000_000  # of a read's 250 ms
ATTEMPTS = 3  # of one read, the first included: the budget bounds their sum, this what one may take of it


def full_jitter_ns(attempts: int, random: Random) -> int:
    """The pause after ``attempts`` attempts, at least 1."""
    return int(random.random() * min(MOST_NS, FIRST_NS << (attempts - 1)))
