"""``feature-sidecar load``: writes rows of a file through the proxy, or straight into an origin."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from urllib.parse import urlsplit

from sidecar.load_rows import BadRow, KeyTemplate, Row, Source, open_rows

_PROXY_SCHEMES = ("redis", "rediss", "unix")
_BATCH_DEADLINE_MS = 30_000
_FIRST_ERRORS = 3  # of a batch, shown

Write = Callable[[list[Row]], list[str]]  # rows -> what went wrong, one text per row that was not written


class LoadFailed(Exception):
    """The target cannot be written to at all."""


def main(arguments: argparse.Namespace) -> int:
    """Load the files one after another; 0 when every row was written."""
    written = failed = 0
    began = time.monotonic()
    try:
        key = KeyTemplate(arguments.key)
        with _target(arguments.to, arguments.policy) as write:
            for path in arguments.files:
                for batch, errors in _written_batches(open_rows(path, key), write, max(1, arguments.batch)):
                    written += len(batch) - len(errors)
                    failed += len(errors)
                    for error in errors[:_FIRST_ERRORS]:
                        print(error, file=sys.stderr)
    except (BadRow, LoadFailed, ValueError) as exc:
        print(exc, file=sys.stderr)
        failed += 1
    seconds = max(time.monotonic() - began, 1e-9)
    print(f"{written} rows written in {seconds:.1f}s ({written / seconds:.0f}/s)", file=sys.stderr)
    if failed:
        print("not everything was loaded; it is safe to load the file again", file=sys.stderr)
    return 1 if failed else 0


def _written_batches(source: Source, write: Write, size: int) -> Iterator[tuple[list[Row], list[str]]]:
    """Write a source batch by batch, showing progress on a terminal."""
    with _progress(source) as advance:
        while batch := list(islice(source.rows, size)):
            yield batch, write([row for row in batch if row.fields])
            advance()


@contextmanager
def _progress(source: Source) -> Iterator[Callable[[], None]]:
    """A bar on stderr when that is a terminal; rich is imported only then."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(os.path.basename(source.name), total=source.total)
        yield lambda: progress.update(task, completed=source.position())


def _target(url: str, policy: str | None) -> AbstractContextManager[Write]:
    """Where the rows go, by its URL."""
    if urlsplit(url).scheme in _PROXY_SCHEMES:
        return _through_proxy(url)
    return _into_origin(url, policy)


@contextmanager
def _through_proxy(url: str) -> Iterator[Write]:
    """HSETs in pipelines: the sidecar's own memory sees them too."""
    import redis

    client = redis.Redis.from_url(url)

    def write(rows: list[Row]) -> list[str]:
        pipeline = client.pipeline(transaction=False)
        for row in rows:
            pipeline.hset(row.key, mapping=dict(row.fields))  # type: ignore[arg-type]
        results = pipeline.execute(raise_on_error=False)
        return [
            f"{_shown(row.key)}: {result}"
            for row, result in zip(rows, results, strict=True)
            if isinstance(result, redis.RedisError)
        ]

    try:
        yield write
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        raise LoadFailed(f"the proxy does not answer: {exc}") from exc
    finally:
        client.close()


@contextmanager
def _into_origin(url: str, policy_path: str | None) -> Iterator[Write]:
    """Straight into an origin, with the policy's dtypes and documents where one is given."""
    import policies
    from sidecar import config
    from sidecar.clock import SystemClock
    from sidecar.origins import OriginSetupError, open_origin
    from sidecar.origins.base import Applied, HashSet, OriginError, Refused
    from sidecar.resilience.deadline import Deadline
    from sidecar.secret import SecretFileError

    clock = SystemClock()
    with asyncio.Runner() as runner:
        try:
            settings = config.load({"origin": url}, os.environ)
            compiled = (policies.load(policy_path) if policy_path else policies.DEFAULT_POLICY).compile()
            origin = open_origin(
                url, clock=clock, dtype_of=compiled.dtype, documents=compiled.document, **settings.origin_credentials()
            )
            runner.run(origin.start())
        except (config.ConfigError, policies.PolicyError, OriginSetupError, OriginError, SecretFileError) as exc:
            raise LoadFailed(str(exc)) from exc

        def write(rows: list[Row]) -> list[str]:
            deadline = Deadline.after(_BATCH_DEADLINE_MS, clock.now_ns())
            answers = runner.run(origin.write_many([HashSet(row.key, row.fields) for row in rows], deadline))
            return [
                f"{_shown(row.key)}: {answer.reason.value if isinstance(answer, Refused) else 'outcome not known'}"
                for row, answer in zip(rows, answers, strict=True)
                if not isinstance(answer, Applied)
            ]

        try:
            yield write
        finally:
            runner.run(origin.close())


def _shown(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")
