"""The Couchbase origin keeps the contract on Couchbase's own mock too, as far as the mock goes."""

import pytest
from servers.couchbase_mock import PASSWORD, USER, CouchbaseMock, MockMissing, MockProxy
from servers.couchbase_node_origin import started_origin
from unit.origin_contract import OriginContract
from unit.origin_subject import OriginSubject

from sidecar.clock import ManualClock
from sidecar.secret import Secret


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    try:
        mock = CouchbaseMock(tmp_path_factory.mktemp("couchbase-mock") / "log")
    except MockMissing as exc:
        pytest.skip(str(exc))
    with mock:
        yield mock


@pytest.fixture
async def subject(mock):
    mock.flush()
    clock = ManualClock()
    credentials = {"username": USER, "password": Secret(PASSWORD)}
    async with MockProxy(mock.port) as url, started_origin(url, clock=clock, **credentials) as origin:
        yield OriginSubject(origin, clock)


class TestCouchbaseMockContract(OriginContract):
    """All but expiries: the mock cannot tell them and does not keep them over a write."""
