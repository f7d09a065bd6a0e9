"""The Couchbase origin keeps the contract, through the official SDK against a node on a real socket."""

import pytest
from servers.couchbase_node_origin import running_node, started_origin
from unit.origin_contract import OriginContract
from unit.origin_expiry_contract import ExpiryContract, KnownExpiryContract
from unit.origin_field_expiry_contract import FieldExpiryContract
from unit.origin_subject import OriginSubject

from policies.documents import DocumentAddress
from sidecar.clock import ManualClock


@pytest.fixture
async def subject():
    """Documents in the default collection; expiries are not read with the documents."""
    clock = ManualClock()
    async with running_node(clock) as node, started_origin(node.url, clock=clock) as origin:
        yield OriginSubject(origin, clock)


class TestCouchbaseContract(OriginContract, ExpiryContract):
    """What holds without the policy's ``document_expiry``."""


class TestCouchbaseKnowingExpiries(KnownExpiryContract, FieldExpiryContract):
    """With ``document_expiry: true``, in a collection of its own."""

    @pytest.fixture
    async def subject(self):
        def address(key: bytes) -> DocumentAddress:
            return DocumentAddress("features", "user", key, document_expiry=True)

        clock = ManualClock()
        async with running_node(clock) as node:
            node.topology.add_collection("features", "user")
            async with started_origin(node.url, clock=clock, documents=address) as origin:
                yield OriginSubject(origin, clock)


async def test_scan_says_that_it_is_not_supported(subject):
    """The client gets a message, and a count of the documents is not pretended."""
    with pytest.raises(NotImplementedError, match="SCAN is not supported on a Couchbase origin"):
        await subject.origin.scan(None, None, 10, subject.deadline())
    assert await subject.origin.count(subject.deadline()) is None
