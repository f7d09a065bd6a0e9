"""/explain: why a key or field is answered as it is, from the policy and from what memory holds right now."""

from typing import TYPE_CHECKING, Any, NamedTuple

from policies import Rule
from sidecar.clock import TICK_NS, ceil_tick
from sidecar.origins.base import Cause

if TYPE_CHECKING:
    from sidecar.admin import AdminServices


class Verdict(NamedTuple):
    """What a read would be now.

    Attributes:
        outcome: hit, stale, negative or miss.
        why: the reason in words.
        age_s: since the origin was asked for the entry; None: nothing is held.
        fresh_until_s: the age up to which memory answers, the entry's own jitter taken off.
        hard_limit_s: the age past which it is never served while the origin answers.
    """

    outcome: str
    why: str
    age_s: float | None = None
    fresh_until_s: float | None = None
    hard_limit_s: float | None = None


def explain(services: "AdminServices", key: bytes, field: bytes | None) -> dict[str, Any]:
    """The rule that applies, what memory holds, and what would become of a read now."""
    policy = services.policy.current
    explanation = policy.explain(key, field)
    services.store.set_time(ceil_tick(services.clock.now_ns()), services.clock.wall_ms())
    held = services.store.explain(key, field)
    flight = services.reads.is_tried(key)
    trouble = services.reads.trouble(key, None if field is None else (field,))
    return {
        "key": key,
        "field": field,
        "view": explanation.view,
        "rule": explanation.rule,
        **in_trouble(judge(held, policy.rule, field), trouble)._asdict(),
        "whole": held.get("whole"),
        "flight": flight,
        "origin": services.misses.origin,
        "breaker": services.misses.breaker,
        "bytes": held.get("bytes"),
        "document_expiry_ms": held.get("expiry_ms"),
        "settings": {line.name: {"value": line.value, "source": line.source} for line in explanation.lines},
        "document": explanation.address._asdict(),
    }


def judge(held: dict[str, Any], rule_of: Any, field: bytes | None) -> Verdict:
    """Judge memory's raw facts (Store.explain) as a read would.

    Args:
        held: the facts; ``kind`` None: nothing.
        rule_of: a rule's number -> Rule.
        field: the field asked for; None: the string, or all of a row.
    """
    if held["kind"] is None:
        return Verdict("miss", "memory holds nothing of this key")
    if held["kind"] == "negative":
        return _judge_absent(held, rule_of(held["rule"]))
    if held["kind"] == "row" and field is not None:
        if "field_rule" not in held:
            return Verdict("miss", "the row is in memory, but not this field of it")
        rule, prefix, thing = rule_of(held["field_rule"]), "field_", "the field"
    else:
        rule, prefix, thing = rule_of(held["rule"]), "", "the row" if held["kind"] == "row" else "the value"
    verdict = _judge_age(held[prefix + "age_ticks"], held[prefix + "jitter_ticks"], rule, thing)
    if held["busy"]:
        return verdict._replace(outcome="miss", why="a write of this key is under way: reads wait for it or go around")
    if thing == "the row" and not held["whole"]:
        why = "only some fields of the row are in memory; single fields may be hits"
        return verdict._replace(outcome="miss", why=why)
    if held.get("absent") and verdict.outcome != "miss":
        return verdict._replace(outcome="negative", why=f"the origin said that the field is absent; {verdict.why}")
    return verdict


def in_trouble(verdict: Verdict, trouble: tuple[Cause, str] | None) -> Verdict:
    """The same where the origin cannot be asked now.

    Args:
        trouble: why, and what is answered instead (ReadThrough.trouble); None: it can be asked.
    """
    if trouble is None or verdict.outcome != "miss":
        return verdict
    cause, answer = trouble
    outcome = "stale" if answer == "stale" else "miss"
    return verdict._replace(
        outcome=outcome, why=f"{verdict.why}; the origin cannot be asked now ({cause.value}): answered with {answer}"
    )


def _judge_absent(held: dict[str, Any], rule: Rule) -> Verdict:
    """A document known to be absent: it has no stale windows."""
    age, limit = held["age_ticks"], rule.limits.negative
    if age < limit:
        why = f"the origin said {_seconds(age)}s ago that there is no such document; negative_ttl is {_seconds(limit)}s"
        return Verdict("negative", why, _seconds(age), _seconds(limit), _seconds(limit))
    why = "the origin said that there is no such document, longer than negative_ttl ago"
    return Verdict("miss", why, _seconds(age), _seconds(limit), _seconds(limit))


def _judge_age(age: int, jitter: int, rule: Rule, thing: str) -> Verdict:
    """An entry's age against its rule's windows."""
    limits = rule.limits
    fresh, stale, error = (max(0, limit - jitter) for limit in (limits.fresh, limits.stale, limits.error))
    if age < fresh:
        outcome, why = "hit", f"{thing} is fresh for another {_seconds(fresh - age)}s"
    elif age < stale:
        outcome, why = "stale", f"{thing} is past its ttl: answered from memory and refreshed behind"
    elif age < error:
        outcome, why = "miss", f"{thing} is past its hard limit: served only while the origin fails"
    else:
        outcome, why = "miss", f"{thing} is too old to be served in any case"
    return Verdict(outcome, why, _seconds(age), _seconds(fresh), _seconds(stale))


def _seconds(ticks: int) -> float:
    return round(ticks * TICK_NS / 1e9, 2)
