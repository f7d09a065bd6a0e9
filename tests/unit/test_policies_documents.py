"""Where a key's document is, and back."""

import pytest

from policies import DocumentAddress, parse
from policies.feast import entity_key

POLICY = """\
version: 1
feature_views:
  - name: profile
    keys: "user:{user_id}"
    origin: {scope: features, collection: profile, document: "{user_id}", layout: binary}
    durability: majority
    document_expiry: true
  - name: events
    keys: "ev-{day}-{user_id}:{rest*}"
    origin: {scope: features, collection: events, document: "{rest*}:by:{user_id}:{day}"}
  - name: vip
    keys: "user:vip_{user_id}"
  - name: kept
    keys: "kept:{x}"
    origin: {scope: features, collection: kept}
  - name: feast
    feast: {project: p, join_keys: [id]}
    origin: {scope: feast, collection: rows}
"""
FEAST_KEY = entity_key("p", [("id", 4, b"\x01\x00\x00\x00\x00\x00\x00\x00")])
ADDRESSES = [
    (b"user:42", ("features", "profile", b"42")),
    (b"user:\xff\x00", ("features", "profile", b"\xff\x00")),
    (b"ev-1-2-3:a:b", ("features", "events", b"a:b:by:2-3:1")),
    (b"ev-1-2-3:x:by:y", ("features", "events", b"x:by:y:by:2-3:1")),
    (b"user:vip_7", ("_default", "_default", b"user:vip_7")),
    (b"kept:1", ("features", "kept", b"kept:1")),
    (b"nobody", ("_default", "_default", b"nobody")),
    (FEAST_KEY, ("feast", "rows", FEAST_KEY)),
]


@pytest.fixture
def policy():
    """The policy above, compiled."""
    return parse(POLICY, "p.yaml").compile()


@pytest.mark.parametrize(("key", "address"), ADDRESSES)
def test_a_key_has_one_document_and_a_document_its_key(policy, key, address):
    """Both directions agree, for templates, kept keys, keys of no view and Feast's."""
    assert policy.document(key)[:3] == address
    assert policy.key_of(*address) == key


def test_an_address_says_how_the_document_is_written(policy):
    """Layout, durability and whether its expiry is read come with it."""
    assert policy.document(b"user:1") == DocumentAddress("features", "profile", b"1", "binary", "majority", True)
    assert policy.document(b"x") == DocumentAddress("_default", "_default", b"x", "json", "none", False)


@pytest.mark.parametrize(
    "address",
    [
        ("_default", "_default", b"user:42"),  # that key's document is elsewhere
        ("features", "profile", b"vip_7"),  # that key is another view's
        ("features", "profile", b"a:b"),  # no placeholder holds a colon
        ("features", "profile", b""),
        ("features", "events", b"a:by:2:1-0"),  # the key ev-1-0-2:a is read as day 1, user 0-2
        ("features", "kept", b"other"),
        ("features", "unknown", b"x"),
        ("feast", "rows", b"x"),
    ],
)
def test_a_document_that_no_key_names_has_no_key(policy, address):
    """SCAN passes over documents that no GET could reach."""
    assert policy.key_of(*address) is None


def test_every_collection_is_walked_once(policy):
    """The default collection and those of the views."""
    assert sorted(policy.documents.collections()) == [
        ("", "_default", "_default"),
        ("", "feast", "rows"),
        ("", "features", "events"),
        ("", "features", "kept"),
        ("", "features", "profile"),
    ]
    assert policy.documents.collections()[0] == ("", "_default", "_default")


def test_feasts_own_layout_has_feasts_own_names():
    """layout: feast without names takes the scope and collection that Feast's Couchbase store makes."""
    text = "version: 1\nfeature_views:\n  - {name: v, feast: {project: p, join_keys: [id]}, origin: {layout: feast}}\n"
    view = parse(text, "p.yaml").compile().feast_views[0]
    assert (view.origin.scope, view.origin.collection, view.origin.layout) == ("p_v_scope", "p_v_collection", "feast")


def test_a_changed_mapping_tells_which_keys_moved(policy):
    """Rows of those keys must be dropped; nothing moves where only numbers change."""
    assert (
        parse(POLICY.replace("durability: majority", "ttl: 1s"), "p").compile(policy).moved_since(policy)(b"user:1")
        is False
    )
    assert parse(POLICY.replace("binary}", "binary}\n    ttl: 2s"), "p").compile(policy).moved_since(policy) is None
    moved = parse(POLICY.replace("collection: profile", "collection: people"), "p").compile(policy).moved_since(policy)
    assert moved(b"user:1")
    assert not moved(b"kept:1")
    assert not moved(b"user:vip_7")


def test_a_changed_pattern_moves_keys_between_mappings(policy):
    """A key that another view takes over is elsewhere from then on."""
    moved = parse(POLICY.replace("user:vip_", "user:v_"), "p").compile(policy).moved_since(policy)
    assert moved(b"user:vip_7")
    assert moved(b"user:v_7")
    assert not moved(b"user:7")


def test_without_mappings_nothing_moves():
    """New views alone need no walk over memory."""
    plain = "version: 1\nfeature_views: [{name: a, keys: 'a:{x}'}]\n"
    first = parse(plain, "p").compile()
    assert parse(plain.replace("a:{x}", "b:{x}"), "p").compile(first).moved_since(first) is None
    mapped = plain.replace("'a:{x}'", "'a:{x}', origin: {scope: s}")
    assert parse(mapped, "p").compile(first).moved_since(first)(b"a:1")
    back = parse(mapped, "p").compile()
    assert first.moved_since(back)(b"a:1")


def test_feasts_own_layout_has_a_document_for_each_feature():
    """The address of a hash tells its views, and each the name of a feature's document."""
    text = (
        "version: 1\nfeature_views:\n"
        "  - {name: v, feast: {project: p, join_keys: [id]}, origin: {layout: feast}, features: {a: }}\n"
        "  - {name: w, feast: {project: p, join_keys: [id]}, origin: {layout: feast, scope: s, collection: c}}\n"
    )
    policy = parse(text, "p.yaml").compile()
    key = entity_key("p", [("id", 2, b"x")])
    address = policy.document(key)
    assert (address.layout, address.document) == ("feast", key)
    first, second = address.feast
    assert (second.view, second.scope, second.collection) == ("w", "s", "c")
    assert first.document(key, "a") == f"p:v:{key.removesuffix(b'p').hex()}:a"
    renamed = parse(text.replace("scope: s", "scope: t"), "p.yaml").compile(policy)
    assert renamed.moved_since(policy)(key), "the second view's documents are elsewhere"


def test_a_view_may_be_in_another_bucket():
    """The same scope and collection in two buckets are two places."""
    text = (
        "version: 1\nfeature_views:\n"
        '  - {name: a, keys: "a:{x}", origin: {scope: s, collection: c, document: "{x}"}}\n'
        '  - {name: b, keys: "b:{x}", origin: {bucket: other, scope: s, collection: c, document: "{x}"}}\n'
    )
    policy = parse(text, "p.yaml").compile()
    assert (policy.document(b"a:1").bucket, policy.document(b"b:1").bucket) == ("", "other")
    assert policy.key_of("s", "c", b"1") == b"a:1"
    assert policy.key_of("s", "c", b"1", "other") == b"b:1"
    moved = parse(text.replace("other", "third"), "p.yaml").compile(policy).moved_since(policy)
    assert (moved(b"a:1"), moved(b"b:1")) == (False, True)
