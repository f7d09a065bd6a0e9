"""Feast's own Couchbase layout: a document for each feature, read as the hash that its Redis store would have."""

import base64
import json
import struct

import pytest
from servers.couchbase_node_documents import Document
from servers.couchbase_node_origin import CLOCK, running_node, started_origin, within

import policies
from policies.feast import entity_key, feature_field, timestamp_field
from sidecar.origins.base import ABSENT, Cause, Failed, Found, HashSet, Read, Refusal, Refused

POLICY = """
version: 1
feature_views:
  - name: driver_hourly
    feast: {project: check, join_keys: [driver_id]}
    origin: {layout: feast}
    features: {conv_rate: {ttl: 2s}, acc_rate: }
  - name: driver_daily
    feast: {project: check, join_keys: [driver_id]}
    origin: {layout: feast, scope: daily, collection: drivers}
    features: {trips: }
"""
INT64 = 4
DRIVER = entity_key("check", [("driver_id", INT64, struct.pack("<q", 1001))])
HEX = DRIVER.removesuffix(b"check").hex()
HOURLY = ("check_driver_hourly_scope", "check_driver_hourly_collection")
CONV, ACC, TRIPS = (
    feature_field("driver_hourly", "conv_rate"),
    feature_field("driver_hourly", "acc_rate"),
    feature_field("driver_daily", "trips"),
)
HOURLY_TS, DAILY_TS = timestamp_field("driver_hourly"), timestamp_field("driver_daily")
# ValueProtos as Feast serializes them: float_val 0.5, int64_val 7
HALF, SEVEN = bytes.fromhex("350000003f"), bytes.fromhex("2007")


@pytest.fixture
async def node():
    async with running_node() as node:
        node.topology.add_collection(*HOURLY)
        node.topology.add_collection("daily", "drivers")
        yield node


@pytest.fixture
async def origin(node):
    policy = policies.parse(POLICY, "policy.yaml").compile(None)
    async with started_origin(node.url, documents=policy.document) as origin:
        yield origin


def write_as_feast(node, place, view, feature, value, event_ts="2026-01-02T03:04:05.600000", expiry=0):
    """As feast.infra.online_stores.couchbase_online_store writes it."""
    body = {
        "metadata": {"event_ts": event_ts, "created_ts": None, "feature_name": feature},
        "value": base64.b64encode(value).decode(),
    }
    node.documents.by_key[node.topology.collection_id(".".join(place)), f"check:{view}:{HEX}:{feature}".encode()] = (
        Document(json.dumps(body).encode(), 0x02000006, expiry)
    )


async def read(origin, *fields):
    (answer,) = await origin.fetch_many([Read(DRIVER, fields or None)], within())
    return answer


def moment(seconds: int, nanos: int = 0) -> bytes:
    """A protobuf Timestamp of a time after 2004."""

    def varint(number):
        return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])

    return b"\x08" + varint(seconds) + (b"\x10" + varint(nanos) if nanos else b"")


async def test_features_of_all_views_are_one_hash(node, origin):
    """Fields named by hashes, ValueProto bytes, and for each view the time of its event."""
    write_as_feast(node, HOURLY, "driver_hourly", "conv_rate", HALF)
    write_as_feast(node, HOURLY, "driver_hourly", "acc_rate", SEVEN)
    write_as_feast(node, ("daily", "drivers"), "driver_daily", "trips", SEVEN, "2026-01-02T00:00:00")
    hourly, daily = moment(1767323045, 600_000_000), moment(1767312000)
    whole = {CONV: HALF, ACC: SEVEN, HOURLY_TS: hourly, TRIPS: SEVEN, DAILY_TS: daily}
    assert await read(origin) == Found(whole)
    assert await read(origin, CONV, HOURLY_TS) == Found({CONV: HALF, HOURLY_TS: hourly}, False)
    assert origin.prefers_whole(DRIVER, (CONV,))


async def test_a_feature_that_is_missing_does_not_void_the_others(node, origin):
    """As in Redis: what was never written is nil, beside what was; without any the entity is absent."""
    assert await read(origin) == ABSENT
    write_as_feast(node, HOURLY, "driver_hourly", "acc_rate", SEVEN)
    answer = await read(origin)
    assert answer.value.keys() == {ACC, HOURLY_TS}


async def test_the_time_of_a_view_is_its_oldest_features(node, origin):
    """Features that were written at different times: the row is as old as the oldest."""
    write_as_feast(node, HOURLY, "driver_hourly", "acc_rate", SEVEN, "2026-01-02T03:04:05+01:00")
    write_as_feast(node, HOURLY, "driver_hourly", "conv_rate", HALF, "2026-01-02T03:04:05")
    answer = await read(origin)
    assert answer.value[HOURLY_TS] == moment(1767323045 - 3600)


async def test_a_documents_expiry_is_its_fields(node, origin):
    """TTL of the hash is none, HTTL tells each feature's own, and a fill is served no longer."""
    expiry = CLOCK.wall_ms() // 1000 + 1000
    write_as_feast(node, HOURLY, "driver_hourly", "acc_rate", SEVEN)
    write_as_feast(node, HOURLY, "driver_hourly", "conv_rate", HALF, expiry=expiry)
    found = await origin.expiries(DRIVER, (ACC, CONV, TRIPS), within())
    assert (found.document, found.fields, found.is_hash) == (-1, (-1, expiry * 1000, -2), True)


async def test_what_is_not_as_feast_writes_it_is_absent_and_logged_once(node, origin, caplog):
    """One line for a feature, with what was found; the others are served."""
    write_as_feast(node, HOURLY, "driver_hourly", "acc_rate", SEVEN)
    write_as_feast(node, HOURLY, "driver_hourly", "conv_rate", HALF, "yesterday")
    for _ in range(3):
        assert (await read(origin)).value.keys() == {ACC, HOURLY_TS}
    assert caplog.text.count("not_a_feast_document") == 1


async def test_a_row_of_which_a_part_cannot_be_read_fails(node, origin):
    """A collection that is gone fails the row, not its neighbour features only: a fill is whole."""
    write_as_feast(node, HOURLY, "driver_hourly", "acc_rate", SEVEN)
    del node.topology.collections["daily.drivers"]
    assert await read(origin) == Failed(Cause.BUCKET)


async def test_writes_are_refused_and_nothing_is_sent(node, origin):
    """Feast's own store writes this layout."""
    await read(origin)  # connected
    before = node.asked()
    assert await origin.write_many([HashSet(DRIVER, {CONV: HALF})], within()) == [Refused(Refusal.UNSUPPORTED)]
    assert node.asked() == before
