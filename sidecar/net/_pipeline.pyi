import asyncio
from typing import Any

from protocol import FieldLists
from sidecar.commands._hot import HotCommands
from sidecar.net._output import Output

class Pipeline(Output):
    dispatcher: Any
    locks: dict[bytes, Any] | None
    def __init__(
        self, loop: asyncio.AbstractEventLoop, hot: HotCommands, lists: FieldLists, *, use_epoll: bool = True
    ) -> None: ...
    def add_duration(self, family: int, ns: int) -> None: ...
