"""Why nothing is injected into a pod that asks for it."""

from typing import Literal, get_args

Reason = Literal[
    "annotation",
    "host_network",
    "malformed_pod",
    "name_taken",
    "port_taken",
    "state_volume",
    "windows",
    "would_not_end",
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class NotInjected(Exception):
    """The pod is left as it is. The text tells what was found and what to do.

    Attributes:
        reason: from a closed set, for metrics.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason
