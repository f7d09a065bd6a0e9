"""Fixtures of the unit tests."""

from collections.abc import AsyncIterator

import pytest
from poller_side import Side


@pytest.fixture(params=["epoll", "add_reader"])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    """A poller and its clients; by epoll, and by the loop's own readers."""
    side = Side(request.param == "epoll")
    yield side
    side.close()
