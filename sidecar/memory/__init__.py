"""The memory tier: strings and rows of features within a byte budget, native, judged by the policy's table."""

from sidecar.memory._store import Store

__all__ = ["Store"]
