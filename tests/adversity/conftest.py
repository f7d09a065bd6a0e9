"""Whole processes under attack: started here, their logs shown where a test fails, stopped by their handles."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.sidecar_process import SidecarProcess

Start = Callable[..., SidecarProcess]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add what the test's processes logged to the report of its failure."""
    report = yield
    if report.when == "call" and report.failed:
        for process in getattr(item, "sidecars", []):
            report.sections.append((f"log of {process.log_path}", process.log()[-20_000:]))
    return report


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """``start(*arguments, origin=..., policy=...)`` runs one more sidecar, in a folder of its own."""
    started: list[SidecarProcess] = []
    request.node.sidecars = started

    def start_one(*arguments: str, folder: Path | None = None, **options: str | None) -> SidecarProcess:
        if folder is None:
            folder = tmp_path / str(len(started))
            folder.mkdir()
        process = SidecarProcess(folder, *arguments, **options)
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.stop()
