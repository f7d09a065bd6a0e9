"""What `policy explain` says."""

from policies import DEFAULT_POLICY, parse
from policies.feast import entity_key, feature_field

POLICY = """\
version: 1
defaults: {ttl: 20s}
feature_views:
  - name: user
    keys: "user:{user_id}"
    origin: {scope: s, collection: c, document: "{user_id}"}
    deadline: 100ms
    features:
      "ctr_*": {ttl: 0s, dtype: float64}
  - name: hourly
    feast: {project: check, join_keys: [id]}
    features: {rate: }
"""
KEY = entity_key("check", [("id", 4, b"\x07" + b"\x00" * 7)])


def lines(explanation):
    """The printed lines by their first word, columns parted by two spaces or more."""
    split = [[part.strip() for part in line.split("  ") if part.strip()] for line in str(explanation).splitlines()]
    return {columns[0]: columns[1:] for columns in split}


def test_a_field_is_explained_from_rule_to_source():
    """Every effective number stands with the line and path that it came from."""
    told = lines(parse(POLICY, "p.yaml").compile().explain(b"user:42", b"ctr_7d"))
    assert told["key"] == ["user:42"]
    assert told["field"] == ["ctr_7d"]
    assert told["view"] == ["user", 'keys "user:{user_id}" at p.yaml:4']
    assert told["rule"][0] == "user.ctr_*"
    assert told["ttl"] == ["0s", "p.yaml:9 feature_views[0] (user) features.ctr_*.ttl"]
    assert told["stale_while_revalidate"] == [
        "0s",
        "p.yaml:9 feature_views[0] (user) features.ctr_*.ttl (ttl is 0s: never from memory)",
    ]
    assert told["negative_ttl"] == ["2s", "built-in default"]  # the row's: a document is absent, not a field
    assert told["deadline"] == ["100ms", "p.yaml:7 feature_views[0] (user) deadline"]
    assert told["dtype"] == ["float64"]
    assert told["document"] == ["42", "in s.c as json"]


def test_a_key_alone_is_explained_by_its_row():
    """Without a field: the row's rule, and no dtype."""
    told = lines(parse(POLICY, "p.yaml").compile().explain(b"user:42"))
    assert told["ttl"] == ["20s", "p.yaml:2 defaults.ttl"]
    assert told["rule"][0] == "user"
    assert "field" not in told
    assert "dtype" not in told


def test_a_key_of_no_view_says_so():
    """The default policy names no file."""
    told = lines(DEFAULT_POLICY.compile().explain(b"x", b"f"))
    assert told["view"] == ["_default", "no feature view has this key"]
    assert told["ttl"] == ["30s", "built-in default"]
    assert told["dtype"] == ["unset", "text is kept as text"]


def test_feast_bytes_are_shown_as_escapes():
    """A binary key prints, and its view is found by project and join keys."""
    policy = parse(POLICY, "p.yaml").compile()
    told = lines(policy.explain(KEY, feature_field("hourly", "rate")))
    assert told["key"][0].startswith("\\x01\\x00\\x00\\x00\\x02")
    assert told["view"] == ["hourly", "Feast project check, join keys id at p.yaml:10"]
    assert told["rule"][0] == "hourly.rate"
    undeclared = lines(policy.explain(KEY, b"abcd"))
    assert undeclared["view"] == ["_default", "the Feast hash of feast:check:id declares no such field"]
