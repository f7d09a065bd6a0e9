"""File work beside the loop: a disk that does not answer must hold up neither requests nor the end of the process."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_thread(call: Callable[[], Result]) -> "asyncio.Future[Result]":
    """Run ``call`` in a thread of its own, which does not keep the process alive as an executor's would.

    Whoever stops waiting (a timeout, a cancellation) leaves it running.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            _tell(loop, future, error=error)
        else:
            _tell(loop, future, result)

    threading.Thread(target=run, name="snapshot", daemon=True).start()
    return future


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[Result]",
    result: Result | None = None,
    error: BaseException | None = None,
) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
