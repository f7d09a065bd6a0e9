"""The numbers that apply at one rule: the nearest block that gives a setting wins; each keeps where it came from."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from policies._freshness import RuleFlag
from policies.model import Block, Place
from policies.settings import BY_NAME, DEFAULTS, TICK_MS

_LARGER_IS_STRICTER = ("jitter", "read_error_backoff")
_WINDOWS = ("stale_while_revalidate", "stale_if_error", "negative_ttl")


class Effective(NamedTuple):
    """A setting's value at a rule. ``place`` None: built in. ``because``: what overrode it."""

    value: Any
    place: Place | None = None
    because: str = ""


class RuleLimits(NamedTuple):
    """One row of the rule table, in ticks."""

    fresh: int
    stale: int
    error: int
    negative: int
    jitter: int
    view: int
    flags: int


_BUILT_IN = {name: Effective(default) for name, default in DEFAULTS.items()}


def effective(blocks: Sequence[Block]) -> dict[str, Effective]:
    """Every freshness setting, from blocks nearest first; built-in defaults where none gives it.

    ``ttl: 0s`` means never from memory: it takes the other windows with it, except those given nearer than it.
    """
    settings = dict(_BUILT_IN)
    for block in reversed(blocks):
        for name, given in block.items():
            settings[name] = Effective(given.value, given.place)
    if settings["ttl"].value == 0:
        for name in _WINDOWS:
            kept = name == "negative_ttl" and _distance(blocks, name) <= _distance(blocks, "ttl")
            if settings[name].value and not kept:
                settings[name] = Effective(0, settings["ttl"].place, "ttl is 0s: never from memory")
    return settings


def _distance(blocks: Sequence[Block], name: str) -> int:
    """How many blocks are nearer than the one that gives a setting."""
    return next((distance for distance, block in enumerate(blocks) if name in block), len(blocks))


def rule_limits(settings: Mapping[str, Effective], view: int, flags: int = 0) -> RuleLimits:
    """Windows added up and rounded down to ticks: rounding never serves too long."""
    ttl, jitter = settings["ttl"].value, settings["jitter"].value
    stale = ttl + settings["stale_while_revalidate"].value
    if settings["on_unavailable"].value == "nil":
        flags |= RuleFlag.NIL_IF_UNAVAILABLE
    return RuleLimits(
        fresh=ttl // TICK_MS,
        stale=stale // TICK_MS,
        error=(stale + settings["stale_if_error"].value) // TICK_MS,
        negative=settings["negative_ttl"].value // TICK_MS,
        jitter=int(ttl // TICK_MS * jitter),
        view=view,
        flags=int(flags),
    )


def strictest(blocks: Sequence[Mapping[str, Effective]]) -> dict[str, Effective]:
    """Settings that exceed none of several rules' in any window: for what all of them answer together."""
    return {name: (max if name in _LARGER_IS_STRICTER else min)(_each(blocks, name), key=_rank) for name in BY_NAME}


def longest(blocks: Sequence[Mapping[str, Effective]]) -> dict[str, Effective]:
    """Settings at least as long as several rules' in every window: for what lives as long as those asked beside it."""
    return {name: (min if name in _LARGER_IS_STRICTER else max)(_each(blocks, name), key=_rank) for name in BY_NAME}


def _each(blocks: Sequence[Mapping[str, Effective]], name: str) -> list[Effective]:
    """One setting out of every block."""
    return [block[name] for block in blocks]


def _rank(setting: Effective) -> float:
    """Order of values; `nil` above `error`."""
    return float(setting.value == "nil" if isinstance(setting.value, str) else setting.value)
