"""The compiled matchers against slow ones that try every way to read a key or field."""

from hypothesis import assume, given
from hypothesis import strategies as st

from policies.byte_pattern import ANY_BYTE, NOT_COLON, Step, common_example, overlaps
from policies.feature_pattern import FeatureMatcher, FeaturePattern
from policies.key_matcher import KeyMatcher
from policies.key_pattern import KeyPattern, PatternError, Placeholder, parse_key_pattern

LETTERS = "ab:-"  # few, so that literals occur inside what placeholders capture


@st.composite
def key_patterns(draw):
    """Literals and placeholders in turn, perhaps with a rest at the end."""
    pieces = draw(st.lists(st.text(LETTERS, min_size=1, max_size=3), min_size=1, max_size=4))
    text = "".join(f"{piece}{{p{index}}}" for index, piece in enumerate(pieces))
    text = text[draw(st.sampled_from([0, len(pieces[0])])) :]
    end = draw(st.sampled_from(["", ":", "b", ":{rest*}", "a{rest*}"]))
    return parse_key_pattern(draw(st.sampled_from([text + end, pieces[0], "{rest*}"])))


def keys():
    """Keys out of the same letters."""
    return st.text(LETTERS, max_size=14).map(str.encode)


def feature_globs():
    """Names and globs out of few letters."""
    return st.text("ab?*", min_size=1, max_size=5).map(FeaturePattern)


def reads(parts, key):
    """Every way to read a key by a pattern, as the bytes of each placeholder in order."""
    if not parts:
        return [()] if not key else []
    first, later = parts[0], parts[1:]
    if isinstance(first, bytes):
        return reads(later, key[len(first) :]) if key.startswith(first) else []
    sizes = [n for n in range(1, len(key) + 1) if first.rest or b":" not in key[:n]]
    return [(key[:size], *rest) for size in sizes for rest in reads(later, key[size:])]


def accepts(steps, text):
    """Whether a language contains a string, by trying every way."""
    if not steps:
        return not text
    step, later = steps[0], steps[1:]
    takes = bool(text) and bool(step.allowed >> text[0] & 1)
    if step.many:
        return accepts(later, text) or (takes and accepts(steps, text[1:]))
    return takes and accepts(later, text[1:])


@given(pattern=key_patterns(), key=keys())
def test_a_key_pattern_matches_what_some_way_of_reading_does(pattern, key):
    """Never looking back loses no match, and what is captured is one of the ways and makes the key again."""
    ways = reads(list(pattern.parts), key)
    captured = pattern.capture(key)
    assert (captured is not None) == bool(ways)
    assert accepts(pattern.steps(), key) == bool(ways)
    if captured is not None:
        assert tuple(captured.values()) in ways
        assert pattern.fill(captured) == key


@given(pattern=key_patterns(), captures=st.lists(st.text(LETTERS, min_size=1, max_size=4), min_size=5, max_size=5))
def test_what_a_pattern_is_filled_with_it_matches(pattern, captures):
    """Any bytes except a colon, in any placeholder."""
    rest = {part.name for part in pattern.parts if isinstance(part, Placeholder) and part.rest}
    filled = {
        name: (text if name in rest else text.replace(":", "a")).encode()
        for name, text in zip(pattern.names, captures, strict=False)
    }
    assert pattern.capture(pattern.fill(filled)) is not None


@given(patterns=st.lists(key_patterns(), max_size=8), key=keys())
def test_the_key_matcher_finds_the_most_literal_match(patterns, key):
    """Grouping by prefix and stopping early change nothing."""
    assume(not _tied(patterns))
    matching = [(pattern.literal_bytes, number) for number, pattern in enumerate(patterns) if reads(pattern.parts, key)]
    best = max(matching)[1] if matching else None
    assert KeyMatcher(zip(patterns, range(8), strict=False)).match(key) == best


@given(globs=st.lists(feature_globs(), max_size=8, unique_by=lambda glob: glob.text), name=st.text("ab?", max_size=8))
def test_the_feature_matcher_finds_the_name_then_the_most_literal_glob(globs, name):
    """Globs without looking back match what trying every way matches."""
    field = name.encode()
    assume(not _tied([glob for glob in globs if glob.is_glob]))
    matching = [(not glob.is_glob, glob.literal_bytes, n) for n, glob in enumerate(globs) if _matches(glob, field)]
    best = max(matching)[2] if matching else None
    assert FeatureMatcher(zip(globs, range(8), strict=False)).match(field) == best


@given(one=key_patterns() | feature_globs(), other=key_patterns() | feature_globs(), text=keys())
def test_a_common_example_is_in_both_and_found_where_there_is_one(one, other, text):
    """The example proves the tie; that there is none is proved by no string being in both."""
    example = common_example(one.steps(), other.steps())
    if example is None:
        assert not (accepts(one.steps(), text) and accepts(other.steps(), text))
    else:
        assert accepts(one.steps(), example)
        assert accepts(other.steps(), example)


@given(languages=st.lists(key_patterns() | feature_globs(), max_size=8))
def test_overlaps_are_those_of_every_pair(languages):
    """Comparing only neighbours by prefix misses no pair."""
    steps = [language.steps() for language in languages]
    pairs = {(i, j) for j in range(len(steps)) for i in range(j) if common_example(steps[i], steps[j]) is not None}
    assert {(i, j) for i, j, _ in overlaps(steps)} == pairs


@given(text=st.text("ab{}*:x", max_size=12))
def test_a_key_pattern_is_read_or_refused_and_prints_as_it_reads(text):
    """Any text: a pattern, or PatternError; str() of a pattern reads back as the same."""
    try:
        pattern = parse_key_pattern(text)
    except PatternError:
        return
    assert isinstance(pattern, KeyPattern)
    assert parse_key_pattern(str(pattern)) == pattern


def test_the_slow_matcher_is_right_on_plain_cases():
    """What the others are compared with was itself looked at."""
    assert accepts([Step(ANY_BYTE), Step(NOT_COLON, many=True)], b":abc")
    assert not accepts([Step(ANY_BYTE), Step(NOT_COLON, many=True)], b"a:")
    assert reads((b"u", Placeholder("a"), b"-", Placeholder("b")), b"u1-2-3") == [(b"1", b"2-3"), (b"1-2", b"3")]


def _matches(glob, field):
    """A name is itself, whatever wildcards a field may hold."""
    return accepts(glob.steps(), field)


def _tied(patterns):
    """Whether two are as specific as each other and share a string: no policy has such."""
    return any(
        patterns[i].literal_bytes == patterns[j].literal_bytes for i, j, _ in overlaps([p.steps() for p in patterns])
    )
