"""The miss path: what memory cannot answer, and every write."""

from sidecar.fetch.answers import Answer, Unavailable
from sidecar.fetch.miss_path import MissPath, build_miss_path
from sidecar.fetch.read_through import ReadThrough
from sidecar.fetch.writes import Writes

__all__ = ["Answer", "MissPath", "ReadThrough", "Unavailable", "Writes", "build_miss_path"]
