"""What a well-formed policy may still not be: ambiguous, without effect, or two keys on one document."""

import pytest

from policies import PolicyError, parse

# ruff: noqa: E501 (messages stand whole, as an operator reads them)


COLLIDING = ("f37660", "f43618")  # murmur3_32 of b"v:f37660" and b"v:f43618" is the same


def views(*blocks):
    """A policy of feature views, each given as the lines after its dash; the first begins at line 3."""
    return "version: 1\nfeature_views:\n" + "".join(f"  - {block}\n" for block in blocks)


def problems(text):
    """The messages of a policy that is refused."""
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


REFUSED = {
    "two views of one name": (
        views("{name: a, keys: 'a:{x}'}", "{name: a, keys: 'b:{x}'}"),
        "p.yaml:4 feature_views[1] (a): found the name a again, expected a name of its own (line 3)",
    ),
    "two sets of one name": (
        "version: 1\nfeature_sets:\n  - {name: s, members: [a, b]}\n  - {name: s, members: [c, d]}\n",
        "p.yaml:4 feature_sets[1] (s): found the name s again, expected a name of its own (line 3)",
    ),
    "one pattern twice": (
        views("{name: a, keys: 'k:{x}'}", "{name: b, keys: 'k:{y}'}"),
        'p.yaml:4 feature_views[1] (b) keys: found "k:{y}" and "k:{x}" (a, line 3), as specific as each other, expected patterns that no key matches alike, as "k:x" does',
    ),
    "a tie that one key can match": (
        views("{name: a, keys: 'a:{x}'}", "{name: b, keys: '{x}:a'}"),
        'p.yaml:4 feature_views[1] (b) keys: found "{x}:a" and "a:{x}" (a, line 3), as specific as each other, expected patterns that no key matches alike, as "a:a" does',
    ),
    "a rest beside a placeholder": (
        views("{name: a, keys: 'a:{x}'}", "{name: b, keys: 'a:{x*}'}"),
        'p.yaml:4 feature_views[1] (b) keys: found "a:{x*}" and "a:{x}" (a, line 3), as specific as each other, expected patterns that no key matches alike, as "a:x" does',
    ),
    "two globs that one name can match": (
        views("{name: a, keys: 'a:{x}', features: {'ab*': {}, '*bc': {}}}"),
        'p.yaml:3 feature_views[0] (a) features.*bc: found *bc and ab* (line 3), as specific as each other, expected globs that no name matches alike, as "abc" does',
    ),
    "windows beyond the wrap of ages": (
        views("{name: a, keys: 'a:{x}', ttl: 239d, stale_if_error: 2d}"),
        "p.yaml:3 feature_views[0] (a) stale_if_error: found ttl + stale_while_revalidate + stale_if_error of 20822410s, expected at most 240d",
    ),
    "a window behind a ttl of nothing": (
        views("{name: a, keys: 'a:{x}', ttl: 0s, stale_while_revalidate: 5s}"),
        "p.yaml:3 feature_views[0] (a) stale_while_revalidate: found 5s beside ttl: 0s, expected 0s or nothing, for ttl: 0s means never from memory",
    ),
    "documents of its own in the default collection": (
        views("{name: a, keys: 'u:{x}', origin: {document: 'user:{x}'}}"),
        "p.yaml:3 feature_views[0] (a) origin: found document names of its own in the default collection, where keys of no view are documents, expected a scope and collection of its own, or no document template",
    ),
    "two templates in one collection": (
        views(
            "{name: a, keys: 'a:{x}', origin: {scope: s, collection: c, document: '{x}'}}",
            "{name: b, keys: 'b:{x}', origin: {scope: s, collection: c, document: '{x}'}}",
        ),
        'p.yaml:4 feature_views[1] (b) origin: found documents that a (line 3) has in the same collection too, expected none in common, as "x" is (give the view a scope and collection of its own)',
    ),
    "a template that looks like another view's keys": (
        views(
            "{name: a, keys: 'a:{x}', origin: {scope: s, collection: c}}",
            "{name: b, keys: 'b:{x}', origin: {scope: s, collection: c, document: 'a:{x}'}}",
        ),
        'p.yaml:4 feature_views[1] (b) origin: found documents that a (line 3) has in the same collection too, expected none in common, as "a:x" is (give the view a scope and collection of its own)',
    ),
    "Feast views of one hash in two collections": (
        views(
            "{name: a, feast: {project: p, join_keys: [id]}}",
            "{name: b, feast: {project: p, join_keys: [id]}, origin: {scope: s, collection: c}}",
        ),
        "p.yaml:4 feature_views[1] (b) origin: found another origin than a (line 3), which is in the same hash, expected the same scope, collection and layout",
    ),
    "Feast views of one hash of two durabilities": (
        views(
            "{name: a, feast: {project: p, join_keys: [id]}}",
            "{name: b, feast: {project: p, join_keys: [id]}, durability: majority}",
        ),
        "p.yaml:4 feature_views[1] (b) durability: found durability majority, but none for a, which is in the same hash, expected the same durability",
    ),
    "a template that may be a Feast key": (
        views(
            "{name: a, feast: {project: p, join_keys: [id]}, origin: {scope: s, collection: c}}",
            "{name: b, keys: 'b:{x*}', origin: {scope: s, collection: c, document: '{x*}'}}",
        ),
        'p.yaml:4 feature_views[1] (b) origin: found documents that a (line 3) has in the same collection too, expected none in common, as "\\x01\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x02\\x00\\x00\\x00idp" is (give the view a scope and collection of its own)',
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=list(REFUSED))
def test_an_ambiguous_policy_is_refused_with_an_example(case):
    """Each kind of ambiguity is told at the later of the two places, with a key, name or document that shows it."""
    text, message = REFUSED[case]
    assert problems(text) == [message]


ACCEPTED = {
    "the more specific of two patterns": views("{name: a, keys: 'a:{x*}'}", "{name: b, keys: 'a:b:{x*}'}"),
    "as specific, but no key in common": views("{name: a, keys: 'a:{x}'}", "{name: b, keys: 'b:{x}'}"),
    "as specific, told apart by a colon": views("{name: a, keys: 'a:{x}:c'}", "{name: b, keys: 'a:{x}:d'}"),
    "a name beside the glob that matches it": views("{name: a, keys: 'a:{x}', features: {'ab*': {}, 'ab': {}}}"),
    "globs with nothing in common": views("{name: a, keys: 'a:{x}', features: {'a*z': {}, 'b*z': {}, '?z': {}}}"),
    "keys as documents in one collection": views(
        "{name: a, keys: 'a:{x}', origin: {scope: s, collection: c}}",
        "{name: b, keys: '{x}:b:c', origin: {scope: s, collection: c}}",
    ),
    "a template that spells out the key": views("{name: a, keys: 'a-{x}-{y}', origin: {document: 'a-{x}-{y}'}}"),
    "templates that differ by a literal": views(
        "{name: a, keys: 'a:{x}', origin: {scope: s, collection: c, document: 'one:{x}'}}",
        "{name: b, keys: 'b:{x}', origin: {scope: s, collection: c, document: 'two:{x}'}}",
    ),
    "a template in a collection of its own": views("{name: a, keys: 'a:{x}', origin: {scope: s, document: '{x}'}}"),
    "Feast views of one hash": views(
        "{name: a, feast: {project: p, join_keys: [id]}}", "{name: b, feast: {project: p, join_keys: [id]}}"
    ),
    "Feast's Couchbase layout, a collection for each view": views(
        "{name: a, feast: {project: p, join_keys: [id]}, origin: {layout: feast}}",
        "{name: b, feast: {project: p, join_keys: [id]}, origin: {layout: feast}}",
    ),
    "no windows behind a ttl of nothing": views("{name: a, keys: 'a:{x}', ttl: 0s, stale_if_error: 0s}"),
    "windows right up to the bound": views(
        "{name: a, keys: 'a:{x}', ttl: 239d, stale_while_revalidate: 1d, stale_if_error: 0s}"
    ),
}


@pytest.mark.parametrize("case", ACCEPTED, ids=list(ACCEPTED))
def test_what_can_be_told_apart_is_accepted(case):
    """The checks refuse nothing that is clear."""
    assert parse(ACCEPTED[case], "p.yaml").views


def test_two_features_of_one_feast_hash_may_not_share_their_hash():
    """Feast keeps 4 bytes of a name; these two were found by search to have the same."""
    one, other = COLLIDING
    features = f"{{{one}: {{}}, {other}: {{}}}}"
    text = views(f"{{name: v, feast: {{project: p, join_keys: [id]}}, features: {features}}}")
    assert problems(text) == [
        f"p.yaml:3 feature_views[0] (v) features.{other}: found {other}, whose hash v.{one} has too, "
        "expected names that Feast's hash tells apart (rename one of them)"
    ]


def test_more_views_than_counters_are_refused():
    """The counters of lookups are an array: 1,023 views and the default one."""
    blocks = [f"{{name: v{n}, keys: 'v{n}:{{x}}'}}" for n in range(1024)]
    assert problems(views(*blocks)) == [
        "p.yaml:1026 feature_views[1023] (v1023): found 1025 feature views, _default included, expected at most 1024"
    ]
    assert len(parse(views(*blocks[:1023]), "p.yaml").views) == 1023


def test_more_rules_than_numbers_are_refused(monkeypatch):
    """Entries keep a rule's number in 16 bits; here with room for eight, of which three are the defaults'."""
    monkeypatch.setattr("policies.checks.MAX_RULES", 8)
    full = views("{name: v, feast: {project: p, join_keys: [id]}, features: {a: {}, b: {}}}")
    assert len(parse(full, "p.yaml").compile().table) == 8
    assert problems(full.replace("b: {}", "b: {}, c: {}")) == [
        "p.yaml:3 feature_views[0] (v): found 9 rules, _default included, expected at most 8"
    ]
