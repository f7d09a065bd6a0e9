from typing import final

from sidecar.memory._store import Store

@final
class SnapshotWalk:
    def __init__(self, store: Store, values: bool) -> None: ...
    def step(self, most_slots: int, most_bytes: int) -> bytes | None: ...
    @property
    def keys(self) -> int: ...
