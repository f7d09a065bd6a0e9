"""Why a snapshot is not taken over."""


class SnapshotRefused(Exception):
    """The file is of no use to this process.

    Attributes:
        reason: one of ``sidecar.snapshot_status.REFUSALS``. The text says what was found and expected.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
