"""What models ask for: generated sessions whose keys follow from each other, and a control in which nothing does."""

import random
from collections.abc import Iterator
from typing import NamedTuple

LEARNING_S = 60.0
ITEMS_AT_ONCE = 5
STEP_S = 0.01  # between two requests of a session


class Request(NamedTuple):
    """Keys that one connection asks for at once. ``follows``: which of them an earlier request of the session foretold."""

    at_s: float
    connection: int
    keys: tuple[bytes, ...]
    follows: frozenset[bytes]


class Load(NamedTuple):
    """A workload and the sets that describe it."""

    sets: str
    requests: list[Request]


class Zipf:
    """Numbers below ``count`` by Zipf's law, their order shuffled."""

    def __init__(self, count: int, exponent: float, randomness: random.Random) -> None:
        self._weights: list[float] = []
        total = 0.0
        for rank in range(1, count + 1):
            total += rank**-exponent
            self._weights.append(total)
        self._numbers = list(range(count))
        randomness.shuffle(self._numbers)
        self._randomness = randomness

    def draw(self, count: int = 1) -> list[int]:
        """Some of them."""
        return self._randomness.choices(self._numbers, cum_weights=self._weights, k=count)


RECOMMENDER = """
feature_sets:
  - name: user_side
    members: ["user:{user_id}", "user:{user_id}:sessions", "context:{user_id}"]
  - name: item_side
    members: ["item:{item_id}", "item:{item_id}:stats"]
"""
FRAUD = """
feature_sets:
  - name: fraud
    members: ["tx:{account}:{device}:{merchant}", "account:{account}", "device:{device}", "merchant:{merchant}"]
"""


def recommender(seconds: float, rate: float, seed: int = 1) -> Load:
    """A user, then his sessions and context, then five items, then their statistics; users and items by Zipf's law."""
    randomness = random.Random(seed)
    users, items = Zipf(20_000, 0.8, randomness), Zipf(5_000, 0.9, randomness)

    def sessions() -> Iterator[list[tuple[tuple[bytes, ...], bool]]]:
        while True:
            (user,) = users.draw()
            ranked = items.draw(ITEMS_AT_ONCE)
            yield [
                ((b"user:%d" % user,), False),
                ((b"user:%d:sessions" % user, b"context:%d" % user), True),
                (tuple(b"item:%d" % item for item in ranked), False),
                (tuple(b"item:%d:stats" % item for item in ranked), True),
            ]

    return Load(RECOMMENDER, _in_time(sessions(), seconds, rate, randomness))


def fraud(seconds: float, rate: float, seed: int = 2) -> Load:
    """A payment names an account, a device and a merchant; each is then looked at."""
    randomness = random.Random(seed)
    accounts, merchants = Zipf(20_000, 0.6, randomness), Zipf(2_000, 1.0, randomness)

    def sessions() -> Iterator[list[tuple[tuple[bytes, ...], bool]]]:
        while True:
            (account,), (merchant,) = accounts.draw(), merchants.draw()
            device = 3 * account + randomness.randrange(2)
            yield [
                ((b"tx:%d:%d:%d" % (account, device + 10**6, merchant + 10**7),), False),
                ((b"account:%d" % account, b"device:%d" % (device + 10**6)), True),
                ((b"merchant:%d" % (merchant + 10**7),), True),
            ]

    return Load(FRAUD, _in_time(sessions(), seconds, rate, randomness))


def shuffled(seconds: float, rate: float, seed: int = 3) -> Load:
    """The recommender's reads, each request's ids dealt to another: as many reads of the same keys, and no structure."""
    load = recommender(seconds, rate, seed)
    randomness = random.Random(seed)
    keys = [key for request in load.requests for key in request.keys]
    randomness.shuffle(keys)
    dealt = iter(keys)
    requests = [
        request._replace(keys=tuple(next(dealt) for _ in request.keys), follows=frozenset())
        for request in load.requests
    ]
    return Load(RECOMMENDER, requests)


def broken(seconds: float, rate: float, seed: int = 4) -> Load:
    """The recommender for a minute, then the same reads without structure: what was learned is wrong from then on."""
    ordered, dealt = recommender(seconds, rate, seed), shuffled(seconds, rate, seed)
    requests = [request for request in ordered.requests if request.at_s < LEARNING_S]
    requests += [request for request in dealt.requests if request.at_s >= LEARNING_S]
    return Load(RECOMMENDER, requests)


def _in_time(
    sessions: Iterator[list[tuple[tuple[bytes, ...], bool]]], seconds: float, rate: float, randomness: random.Random
) -> list[Request]:
    """Sessions begin at random moments on one of eight connections; their requests follow each other."""
    requests = []
    at_s = 0.0
    while at_s < seconds:
        connection = randomness.randrange(8)
        for number, (keys, follows) in enumerate(next(sessions)):
            told = frozenset(keys) if follows else frozenset()
            requests.append(Request(at_s + number * STEP_S, connection, keys, told))
        at_s += randomness.expovariate(rate)
    return sorted(requests)


LOADS = {"recommender": recommender, "fraud": fraud, "shuffled": shuffled, "broken": broken}
