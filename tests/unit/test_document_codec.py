"""How documents stand for hashes: examples of each rule, written as the bytes that lie in the origin."""

import pytest

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
from sidecar.origins.member_names import decode_name, encode_name, is_key_too_long
from sidecar.origins.member_values import encode_value

NOW = 1_000_000


def fields_of(body, fields=None):
    """What a hash shows; it must be one."""
    decoded = decode_hash(body, fields, NOW)
    assert isinstance(decoded, DecodedHash), body
    return decoded.fields


@pytest.mark.parametrize(
    ("json_text", "served"),
    [
        (b"1", b"1"),
        (b"1.10", b"1.10"),
        (b"-0", b"-0"),
        (b"1E+2", b"1E+2"),
        (b"0.30000000000000004", b"0.30000000000000004"),
        (b"123456789012345678901234567890", b"123456789012345678901234567890"),
        (b"1e999", b"1e999"),
        (b"true", b"true"),
        (b"false", b"false"),
        (b'""', b""),
        (b'"text"', b"text"),
        (b'"\\u00fc \\"q\\" \\n"', 'ü "q" \n'.encode()),
        ('"\\ud83d\\ude00ü"'.encode(), "😀ü".encode()),
        (b'"null"', b"null"),
        (b'[ 1.10, {"a" : "x y"} ]', b'[1.10,{"a":"x y"}]'),
        (b'{ "a\\"b " : [\t1 ,\r\n2 ] }', b'{"a\\"b ":[1,2]}'),
        (b'{"$binary":"AP8="}', b"\x00\xff"),
        (b'{"$binary":""}', b""),
        (b'{ "$binary" : "AP\\u0038=" }', b"\x00\xff"),
        (b'{"$binary":"no base64"}', b'{"$binary":"no base64"}'),
        (b'{"$binary":"AP8=","more":1}', b'{"$binary":"AP8=","more":1}'),
        (b'{"$binary":1}', b'{"$binary":1}'),
        (b'"\xff\\n"', b"\xff\n"),
        (b'{"\xff":1,"$binary":"AP8="}', b'{"\xff":1,"$binary":"AP8="}'),
    ],
)
def test_what_a_member_is_served_as(json_text, served):
    """Numbers keep their text, strings are their bytes, arrays and objects lose their whitespace only."""
    assert fields_of(b'{"f": %b }' % json_text) == {b"f": served}
    assert fields_of(b'{"x":1,"f":%b}' % json_text, (b"f",)) == {b"f": served}


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b'"text"', b"17", b"{", b'{"a":1} x', b'{"a":01}', b"\xff", b'\xef\xbb\xbf{"a":1}', b'{"\xff":1}'],
)
def test_what_is_no_json_object_is_no_hash(body):
    """It is a string, whatever its flags say; hash writes are refused on it."""
    assert decode_hash(body, None, NOW) is NOT_A_HASH
    assert apply_hash_set(body, {b"f": b"v"}, NOW) is NOT_A_HASH
    assert apply_hash_delete(body, (b"f",), NOW) is NOT_A_HASH
    assert apply_field_expire(body, (b"f",), NOW + 1, Condition.ALWAYS, NOW) is NOT_A_HASH
    assert field_expiries(body, (b"f",), NOW) is NOT_A_HASH


def test_nesting_beyond_the_parser_is_no_hash_and_no_crash():
    """A hundred thousand brackets are served as the string they are."""
    assert decode_hash(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, NOW) is NOT_A_HASH


@pytest.mark.parametrize("body", [b"{}", b'{"a":null}', b'{"~expire":{"a":1}}', b'{"a":1,"~expire":{"a":1}}'])
def test_a_hash_without_a_live_field_is_absent(body):
    """Empty, only nulls, only expired: the key is not there, and HSET adds."""
    assert decode_hash(body, None, NOW) == decode_hash(body, (b"a",), NOW) == DecodedHash({}, None, False)
    assert apply_hash_set(body, {b"a": b"2"}, NOW)[1] == 1
    assert apply_hash_delete(body, (b"a",), NOW) == (None, 0)


def test_a_null_member_is_an_absent_field():
    """Not served, not counted, and HSET over it adds; what is beside it stays byte for byte."""
    body = b'{"a":null,"b": 1.10 }'
    assert fields_of(body) == {b"b": b"1.10"}
    assert fields_of(body, (b"a", b"b")) == {b"b": b"1.10"}
    assert apply_hash_set(body, {b"a": b"x"}, NOW) == (b'{"a":"x","b":1.10}', 1)
    assert apply_hash_delete(body, (b"a",), NOW)[1] == 0
    assert field_expiries(body, (b"a", b"b"), NOW) == (-2, -1)


@pytest.mark.parametrize(
    ("value", "dtype", "json_text"),
    [
        (b"1.10", None, b'"1.10"'),
        (b"1.10", "string", b'"1.10"'),
        (b"true", "bool", b'"true"'),
        (b"1.10", "float64", b"1.10"),
        (b"-0", "int64", b"-0"),
        (b"1e5", "float32", b"1e5"),
        (b"007", "int32", b'"007"'),
        (b"+1", "int32", b'"+1"'),
        (b"1.", "float64", b'"1."'),
        (b"nan", "float64", b'"nan"'),
        (b" 1", "int64", b'" 1"'),
        (b"1\n", "int64", b'"1\\n"'),
        (b"", "int64", b'""'),
        ('é"\\'.encode(), None, '"é\\"\\\\"'.encode()),
        (b"\x00\xff", None, b'{"$binary":"AP8="}'),
        (b"\xff", "int64", b'{"$binary":"/w=="}'),
    ],
)
def test_what_a_value_is_written_as(value, dtype, json_text):
    """A JSON number only where the dtype is numeric and the text is one, with its text; bytes where it is no UTF-8."""
    assert encode_value(value, dtype) == json_text
    assert apply_hash_set(None, {b"f": value}, NOW, key=b"k", dtype_of=lambda key, field: dtype) == (
        b'{"f":%b}' % json_text,
        1,
    )


@pytest.mark.parametrize(
    ("before", "value", "json_text"),
    [
        (b"1.10", b"2.50", b"2.50"),
        (b"-1", b"7", b"7"),
        (b"1", b"none", b'"none"'),
        (b"1", b"01", b'"01"'),
        (b'"1"', b"2", b'"2"'),
        (b"null", b"2", b'"2"'),
    ],
)
def test_a_number_stays_one_where_no_dtype_is_declared(before, value, json_text):
    """Other programs that read the document find the type that they put there, as long as the text is a number."""
    after, _ = apply_hash_set(b'{"f":%b}' % before, {b"f": value}, NOW)
    assert after == b'{"f":%b}' % json_text
    text, _ = apply_hash_set(b'{"f":%b}' % before, {b"f": value}, NOW, dtype_of=lambda key, field: "string")
    assert text == b'{"f":"%b"}' % value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"", ""),
        (b"f", "f"),
        ("ü.x".encode(), "ü.x"),
        (b"~", "~fg"),
        (b"~expire", "~fmV4cGlyZQ"),
        (b"\xff\x00", "~_wA"),
    ],
)
def test_names_as_text(name, text):
    """UTF-8 as is; what is not, and what begins with ~, is ~ and base64url without padding."""
    assert encode_name(name) == text
    assert decode_name(text) == name


@pytest.mark.parametrize("text", ["~", "~expire", "~fg==", "~a", "~Zg", "~_wB", "~ü", "~" + "Z" * 101])
def test_names_that_nothing_is_written_as_are_reserved(text):
    """A member so called is hidden from every command, and survives a write."""
    assert decode_name(text) is None
    body = b'{"f":"v","%b":7}' % text.encode()
    assert fields_of(body) == {b"f": b"v"}
    assert fields_of(apply_hash_set(body, {b"g": b"w"}, NOW)[0]) == {b"f": b"v", b"g": b"w"}
    assert text == "~expire" or b'"%b":7' % text.encode() in apply_hash_set(body, {b"g": b"w"}, NOW)[0]


def test_field_deadlines_as_stored():
    """They stand in ~expire by member name, and go with the field, with HSET and with time."""
    body, _ = apply_hash_set(None, {b"a": b"1", b"\xff": b"2", b"c": b"3"}, NOW)
    body, codes = apply_field_expire(body, (b"a", b"\xff", b"no"), NOW + 5, Condition.ALWAYS, NOW)
    assert codes == [1, 1, -2]
    assert body.endswith(b',"~expire":{"a":1000005,"~_w":1000005}}')
    assert decode_hash(body, (b"c",), NOW).expiry_ms is None
    assert decode_hash(body, (b"c", b"a"), NOW).expiry_ms == NOW + 5
    both, _ = apply_field_expire(body, (b"c",), NOW + 3, Condition.ALWAYS, NOW)
    assert [decode_hash(both, each, NOW).expiry_ms for each in (None, (b"c", b"a"), (b"a", b"c"))] == [NOW + 3] * 3
    assert apply_field_expire(b'{"a":1}', (b"a",), NOW, Condition.ALWAYS, NOW) == (None, [2])
    assert apply_hash_set(body, {b"a": b"9"}, NOW)[0].endswith(b',"~expire":{"~_w":1000005}}')
    later, _ = apply_hash_set(body, {b"d": b"4"}, NOW + 5)
    assert later == b'{"c":"3","d":"4"}'


@pytest.mark.parametrize("member", [b"7", b'"x"', b'{"f":"soon"}', b'{"f":1.5}', b"null", b"[]"])
def test_a_member_named_expire_that_holds_no_deadlines(member):
    """Somebody else's: no field dies by it, and nothing crashes."""
    assert fields_of(b'{"f":"v","~expire":%b}' % member) == {b"f": b"v"}


def test_a_field_that_is_written_twice_in_a_document():
    """The last one counts, as for every JSON parser."""
    assert fields_of(b'{"f":1,"f":2}') == {b"f": b"2"}


@pytest.mark.parametrize(
    ("key", "too_long"), [(b"k" * 246, False), (b"k" * 247, True), (b"\xff" * 183, False), (b"\xff" * 184, True)]
)
def test_keys_are_measured_as_encoded(key, too_long):
    """246 bytes of what is stored."""
    assert is_key_too_long(key) is too_long
