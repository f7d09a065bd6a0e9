"""Feast's bytes: keys of version 3 and hashed fields, as its Redis online store 0.67 writes them."""

import struct

import pytest

from policies.feast import FeastHash, entity_key, feature_field, murmur3_32, split_entity_key, timestamp_field

INT64 = 4
STRING = 2


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", 0),
        (b"hello", 0x248BFA47),
        (b"hello, world", 0x149BBB7F),
        (b"The quick brown fox jumps over the lazy dog", 0x2E4FF723),
    ],
)
def test_murmur3_matches_published_values(data, value):
    """Every length of tail, seed 0."""
    assert murmur3_32(data) == value


def test_a_key_is_feasts_serialization_and_the_project():
    """Byte for byte: count, join keys, values, project, all little-endian."""
    key = entity_key("check", [("driver_id", INT64, struct.pack("<q", 1001))])
    assert key == (
        b"\x01\x00\x00\x00"
        b"\x02\x00\x00\x00\x09\x00\x00\x00driver_id"
        b"\x04\x00\x00\x00\x08\x00\x00\x00"
        b"\xe9\x03\x00\x00\x00\x00\x00\x00"
        b"check"
    )


def test_join_keys_are_sorted_with_their_values_and_measured_in_bytes():
    """The order given does not matter; a name's length is that of its UTF-8."""
    one = entity_key("p", [("zone", STRING, b"z1"), ("ärea", STRING, b"a1")])
    assert one == entity_key("p", [("ärea", STRING, b"a1"), ("zone", STRING, b"z1")])
    assert b"\x05\x00\x00\x00\xc3\xa4rea" in one
    assert one.index(b"zone") < one.index("ärea".encode())
    assert one.endswith(b"z1\x02\x00\x00\x00\x02\x00\x00\x00a1p")


def test_fields_are_hashes_and_timestamps_are_text():
    """Four bytes little-endian for a feature; the view's name for its event time."""
    assert feature_field("driver_hourly", "conv_rate") == struct.pack("<I", murmur3_32(b"driver_hourly:conv_rate"))
    assert timestamp_field("driver_hourly") == b"_ts:driver_hourly"


@pytest.mark.parametrize("values", [[b"x"], [b"", b"y" * 300], [b"\x00" * 9, b"p", b"q"]])
def test_a_key_is_taken_apart_into_join_keys_and_project(values):
    """Whatever the values hold."""
    names = tuple(f"k{n}" for n in range(len(values)))
    key = entity_key("project", [(name, STRING, value) for name, value in zip(names, values, strict=True)])
    assert split_entity_key(key) == (FeastHash("project", names).prefix, b"project")


GOOD = entity_key("p", [("id", INT64, b"12345678")])


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"user:42",
        b"user:42" * 10,
        GOOD[:-1],  # no project
        b"\x00" + GOOD[1:],  # no join key
        b"\xff" + GOOD[1:],  # 255 of them
        GOOD[:4] + b"\x03" + GOOD[5:],  # a join key that is no string
        GOOD[:8] + b"\xff\xff\xff\xff" + GOOD[12:],  # a name longer than the key
        GOOD[:18] + b"\xff\xff\xff\xff" + GOOD[22:],  # a value longer than the key
        *(GOOD[:size] for size in range(len(GOOD))),
    ],
)
def test_other_keys_are_not_feasts(key):
    """Cut short, or with lengths beyond the key: no entity key, and no error."""
    assert split_entity_key(key) is None
