"""Prefetching: what was asked for says what will be."""

from sidecar.prefetch._touches import TouchLog
from sidecar.prefetch.prefetcher import Prefetcher

__all__ = ["Prefetcher", "TouchLog"]
