"""A policy as a whole: what the loader makes of a file, and the one that stands where there is none."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from policies.compiled import CompiledPolicy
from policies.compiler import compile_policy
from policies.model import Block, FeatureSet, FeatureView, Prefetch, Snapshot, Warmup
from policies.settings import SECTIONS


def section_defaults(section: str) -> dict[str, Any]:
    """The values of a section that nobody wrote."""
    return {setting.name: setting.default for setting in SECTIONS[section]}


def make_prefetch(values: dict[str, Any]) -> Prefetch:
    """The section ``prefetch``."""
    return Prefetch(values["learn"], values["budget"], values["min_precision"], values["window"])


def make_snapshot(values: dict[str, Any]) -> Snapshot:
    """The section ``snapshot``."""
    return Snapshot(values["values"], values["every"])


def make_warmup(values: dict[str, Any]) -> Warmup:
    """The section ``warmup``."""
    return Warmup(values["level"], values["timeout"])


def content_digest(content: str | bytes) -> bytes:
    """What tells the contents of policy files apart."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()


class Policy(msgspec.Struct, frozen=True):
    """A checked policy, not yet numbered. ``digest``: of the file's content."""

    filename: str = ""
    digest: bytes = b""
    defaults: Block = {}
    views: tuple[FeatureView, ...] = ()
    feature_sets: tuple[FeatureSet, ...] = ()
    prefetch: Prefetch = make_prefetch(section_defaults("prefetch"))
    snapshot: Snapshot = make_snapshot(section_defaults("snapshot"))
    warmup: Warmup = make_warmup(section_defaults("warmup"))
    flush: str = "refuse"

    def compile(self, previous: CompiledPolicy | None = None) -> CompiledPolicy:
        """Compile; ``previous``, the policy that was active, hands on its numbers.

        Raises:
            ValueError: more rules or views than there are numbers.
        """
        return compile_policy(self, previous)


DEFAULT_POLICY = Policy()
