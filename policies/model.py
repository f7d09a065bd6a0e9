"""A policy as it was written, every value with the place that it came from: from the loader to the compiler."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from policies.feast import FeastHash
from policies.feature_pattern import FeaturePattern
from policies.key_pattern import KeyPattern


class Place(NamedTuple):
    """Where in the policy file."""

    line: int
    path: str


class Given(NamedTuple):
    """A setting that was written: the value in inner units (ms, ratio, text, bool) and its place."""

    value: Any
    place: Place


Block = Mapping[str, Given]  # the settings that one block of the file gives, by name


class Feature(msgspec.Struct, frozen=True):
    """One line under ``features``."""

    pattern: FeaturePattern
    settings: Block
    place: Place
    dtype: str | None = None


class OriginMapping(msgspec.Struct, frozen=True):
    """Where a view's documents are. ``document`` None: keys are documents. ``bucket`` empty: the origin URL's."""

    scope: str = "_default"
    collection: str = "_default"
    document: KeyPattern | None = None
    layout: str = "json"
    bucket: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """The bucket, scope and collection."""
        return self.bucket, self.scope, self.collection


DEFAULT_MAPPING = OriginMapping()


class FeatureView(msgspec.Struct, frozen=True):
    """A named group of features of one entity: of the keys of a pattern, or of a Feast hash."""

    name: str
    place: Place
    keys: KeyPattern | None = None
    feast: FeastHash | None = None
    settings: Block = {}
    features: tuple[Feature, ...] = ()
    origin: OriginMapping = DEFAULT_MAPPING
    durability: str = "none"
    document_expiry: bool = False
    places: Mapping[str, Place] = {}  # of `keys`, `feast`, `origin`, `durability`... where they were given


class SetMember(msgspec.Struct, frozen=True):
    """A member of a feature set: keys of a pattern, or those of a feature view."""

    place: Place
    keys: KeyPattern | None = None
    view: str | None = None

    def __str__(self) -> str:
        return f"{{view: {self.view}}}" if self.keys is None else str(self.keys)


class FeatureSet(msgspec.Struct, frozen=True):
    """What a model asks for together."""

    name: str
    members: tuple[SetMember, ...]
    place: Place


class Prefetch(msgspec.Struct, frozen=True):
    """Learned prefetch: whether, how much of all reads it may cost, how sure it must be, what counts as together."""

    learn: bool
    budget: float
    min_precision: float
    window_ms: int


class Snapshot(msgspec.Struct, frozen=True):
    """What a snapshot keeps (values, or only keys) and how often it is written."""

    values: bool
    every_ms: int


class Warmup(msgspec.Struct, frozen=True):
    """Readiness after a start: once this share of the snapshot is back, or the time is over."""

    level: float
    timeout_ms: int
