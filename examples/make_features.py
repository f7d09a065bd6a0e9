"""Make sample features: three feature views of 10,000 entities each, the same for one seed on every machine.

    python examples/make_features.py OUT_DIRECTORY [--entities 10000] [--seed 7]

writes user_profile.jsonl, user_sessions.jsonl and item_stats.jsonl, ready for `feature-sidecar load`. Some features
change by the second (last_click_at, in_stock), some by the day (tier, category); examples/policy.yaml says which.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

EPOCH = 1_790_000_000  # every time in the samples lies before it
TIERS, TIER_WEIGHTS = ("free", "silver", "gold", "platinum"), (60, 25, 12, 3)
COUNTRIES = ("BR", "CA", "DE", "ES", "FR", "GB", "IN", "JP", "MX", "US")
CATEGORIES = ("books", "electronics", "fashion", "garden", "groceries", "music", "sports", "toys")

Row = dict[str, object]


def user_profile(user_id: int, rng: random.Random) -> Row:
    """Who a user is, and how they click lately."""
    ctr_7d = rng.betavariate(2, 40)
    return {
        "key": f"user:{user_id}",
        "tier": rng.choices(TIERS, TIER_WEIGHTS)[0],
        "country": rng.choice(COUNTRIES),
        "age_days": rng.randrange(1, 3000),
        "ctr_1d": round(min(1.0, ctr_7d * rng.uniform(0.5, 1.6)), 5),
        "ctr_7d": round(ctr_7d, 5),
        "ctr_30d": round(min(1.0, ctr_7d * rng.uniform(0.8, 1.2)), 5),
        "purchases_30d": min(40, int(rng.expovariate(0.5))),
        "spend_30d": f"{rng.lognormvariate(3, 1):.2f}",
        "last_click_at": EPOCH - int(rng.expovariate(1 / 3600)),
    }


def user_sessions(user_id: int, rng: random.Random) -> Row:
    """What a user does right now."""
    clicks_5m = int(rng.expovariate(0.7))
    clicks_1h = clicks_5m + int(rng.expovariate(0.15))
    return {
        "key": f"user:{user_id}:sessions",
        "first_seen_at": EPOCH - rng.randrange(86_400, 250_000_000),
        "clicks_5m": clicks_5m,
        "clicks_1h": clicks_1h,
        "views_5m": clicks_5m + rng.randrange(0, 12),
        "views_1h": clicks_1h + rng.randrange(10, 120),
        "last_item": f"item:{rng.randrange(10_000)}",
        "device": rng.choice(("android", "ios", "web")),
    }


def item_stats(item_id: int, rng: random.Random) -> Row:
    """What an item is, and how it does."""
    ctr_1d = rng.betavariate(2, 60)
    return {
        "key": f"item:{item_id}",
        "category": rng.choice(CATEGORIES),
        "price": round(rng.lognormvariate(3, 0.8), 2),
        "in_stock": rng.random() < 0.93,
        "ctr_1h": round(min(1.0, ctr_1d * rng.uniform(0.3, 2)), 5),
        "ctr_1d": round(ctr_1d, 5),
        "views_1d": int(rng.paretovariate(1.2) * 20),
        "rating": round(min(5.0, max(1.0, rng.gauss(4.1, 0.5))), 1),
        "embedding": [round(rng.gauss(0, 0.3), 4) for _ in range(8)],
    }


VIEWS: dict[str, Callable[[int, random.Random], Row]] = {
    "user_profile": user_profile,
    "user_sessions": user_sessions,
    "item_stats": item_stats,
}


def rows(view: str, entities: int, seed: int) -> Iterator[Row]:
    """The rows of one view; a view's rows do not depend on the others'."""
    rng = random.Random(f"{seed}/{view}")
    return (VIEWS[view](entity, rng) for entity in range(entities))


def main() -> None:
    """Write one JSONL file per view."""
    parser = argparse.ArgumentParser(description="Make sample features as JSONL files.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for view in VIEWS:
        path = arguments.directory / f"{view}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in rows(view, arguments.entities, arguments.seed):
                file.write(json.dumps(row, separators=(",", ":")) + "\n")
        print(f"{path}: {arguments.entities} rows")


if __name__ == "__main__":
    main()
