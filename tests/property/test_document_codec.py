"""Properties of the document codec: exact numbers, exact bytes, and no body that breaks it."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from sidecar.origins.base import Condition
from sidecar.origins.document import (
    NOT_A_HASH,
    DecodedHash,
    apply_field_expire,
    apply_hash_delete,
    apply_hash_set,
    decode_hash,
    field_expiries,
)
from sidecar.origins.member_names import decode_name, encode_name
from sidecar.origins.member_values import decode_value, encode_value

NOW = 1_000_000
DTYPES = st.sampled_from([None, "string", "bool", "int32", "int64", "float32", "float64", "bytes"])
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,5})?", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
BYTES = st.one_of(st.binary(max_size=40), TEXT.map(str.encode), NUMBERS.map(str.encode))
SPACE = st.text(" \t\r\n", max_size=3)


@st.composite
def spaced_json(draw, depth=2):
    """A JSON value as somebody else's writer may have put it: any whitespace. Pairs of (with it, without it)."""
    kind = draw(st.sampled_from(["number", "string", "word", "array", "object"][: 5 if depth else 3]))
    if kind == "number":
        text = draw(NUMBERS)
        return text, text
    if kind == "string":
        text = json.dumps(draw(TEXT), ensure_ascii=draw(st.booleans()))
        return text, text
    if kind == "word":
        text = draw(st.sampled_from(["true", "false", "null"]))
        return text, text
    items = draw(st.lists(spaced_json(depth=depth - 1), max_size=3))
    loose, tight = [], []
    for number, (one, other) in enumerate(items):
        name = f'"{number} \\" n":' if kind == "object" else ""
        before, after = draw(SPACE), draw(SPACE)
        loose.append(f"{before}{name}{before}{one}{after}")
        tight.append(name + other)
    opening, closing = "[]" if kind == "array" else "{}"
    return f"{opening}{draw(SPACE)}{','.join(loose)}{closing}", f"{opening}{','.join(tight)}{closing}"


@given(numbers=st.dictionaries(TEXT.filter(lambda name: not name.startswith("~")), NUMBERS, min_size=1), space=SPACE)
def test_a_number_is_served_as_the_text_in_the_document(numbers, space):
    """Whatever its size or form, whole or by field, and after a write beside it."""
    members = f",{space}".join(f"{json.dumps(name)}{space}:{space}{text}{space}" for name, text in numbers.items())
    body = f"{{{space}{members}}}".encode()
    expected = {name.encode(): text.encode() for name, text in numbers.items()}
    assert decode_hash(body, None, NOW) == DecodedHash(expected, None, True)
    assert decode_hash(body, tuple(expected), NOW) == DecodedHash(expected, None, True)
    after, added = apply_hash_set(body, {b"~beside": b"1"}, NOW)
    assert added == 1
    assert decode_hash(after, None, NOW).fields == expected | {b"~beside": b"1"}


@given(fields=st.dictionaries(BYTES, BYTES, min_size=1, max_size=8), dtype=DTYPES)
def test_what_is_written_comes_back(fields, dtype):
    """Any names and any values, whatever the dtype; the document is JSON for everybody else too."""
    body, added = apply_hash_set(None, fields, NOW, dtype_of=lambda key, field: dtype)
    assert added == len(fields)
    assert decode_hash(body, None, NOW) == DecodedHash(fields, None, True)
    assert decode_hash(body, tuple(fields), NOW) == DecodedHash(fields, None, True)
    assert json.loads(body).keys() == {encode_name(name) for name in fields}


@given(value=BYTES, dtype=DTYPES)
def test_numbers_are_written_only_by_numeric_dtypes(value, dtype):
    """A JSON number, with the exact text written, where the dtype is numeric and the text is one; never otherwise."""
    written = encode_value(value, dtype)
    numeric = dtype is not None and re.match("int|float", dtype) is not None
    is_number = re.fullmatch(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", value) is not None
    assert (written == value) is (numeric and is_number)
    assert decode_value(written) == value


@given(json_texts=spaced_json())
def test_nested_values_lose_whitespace_only(json_texts):
    """Arrays and objects are served as their JSON with nothing but the whitespace between tokens gone."""
    loose, tight = json_texts
    decoded = decode_hash(b'{"f":%b}' % loose.encode(), None, NOW)
    if tight == "null":
        assert decoded == DecodedHash({}, None, False)
    elif tight.startswith('"'):
        assert decoded.fields == {b"f": json.loads(tight).encode()}
    else:
        assert decoded.fields == {b"f": tight.encode()}


@given(one=BYTES, other=BYTES)
def test_names_are_text_and_no_two_are_alike(one, other):
    """Every name has its own text, none of them the reserved one, and the text leads back."""
    text = encode_name(one)
    assert decode_name(text) == one
    assert text != "~expire"
    assert (text == encode_name(other)) is (one == other)


@given(name=TEXT)
def test_a_text_stands_for_one_name_or_is_reserved(name):
    """What decodes is written exactly so; so no two members are one field."""
    decoded = decode_name(name)
    assert encode_name(decoded) == name if decoded is not None else name.startswith("~")


@given(
    body=st.one_of(
        st.binary(max_size=60),
        st.from_regex(rb'\{"(a|~expire|~YQ)":["{\[]?(1|\$binary|\\u00|null|\xff)?"?[:,}\]]*\}?', fullmatch=True),
        spaced_json().map(lambda texts: b'{"a":%b,"~expire":{"a":%b}}' % (texts[0].encode(), texts[0].encode())),
    ),
    fields=st.lists(BYTES, min_size=1, max_size=3).map(tuple),
    expiry_ms=st.one_of(st.none(), st.integers(0, 2 * NOW)),
)
def test_no_body_breaks_the_codec(body, fields, expiry_ms):
    """Any bytes: a hash or not a hash, the same to every function, and a written hash is one from then on."""
    whole = decode_hash(body, None, NOW)
    some = decode_hash(body, fields, NOW)
    written = apply_hash_set(body, dict.fromkeys(fields, b"v"), NOW)
    deleted = apply_hash_delete(body, fields, NOW)
    expired = apply_field_expire(body, fields, expiry_ms, Condition.ALWAYS, NOW)
    if whole is NOT_A_HASH:
        assert some is written is deleted is expired is NOT_A_HASH
        assert field_expiries(body, fields, NOW) is NOT_A_HASH
        return
    assert some.fields == {field: whole.fields[field] for field in fields if field in whole.fields}
    assert some.present is whole.present is bool(whole.fields)
    assert decode_hash(written[0], None, NOW).fields == whole.fields | dict.fromkeys(fields, b"v")
    assert written[1] == len(set(fields) - whole.fields.keys())
    assert deleted[1] == len(set(fields) & whole.fields.keys())
    assert len(expired[1]) == len(fields)
