"""What one sidecar is injected with: the operator's settings, overlaid by a pod's annotations."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from itertools import islice
from typing import Any, Literal, NamedTuple, Self

from sidecar.injector.annotations import BY_NAME, INJECT, OPTIONS, OWN_ANNOTATIONS, PREFIX, parse_value
from sidecar.injector.quantity import Quantity

_MOST_UNKNOWN = 8  # a reply has room for a few warnings, and the search for the nearest name takes 1 ms each
ProblemKind = Literal["unknown", "malformed", "operator_only"]


class SettingsError(Exception):
    """The operator's settings cannot be used. One problem a line: where, what was found, what is expected."""


class Problem(NamedTuple):
    """An annotation that is not followed.

    Attributes:
        kind: unknown, malformed or operator_only.
        refuses: nothing may be injected, for the annotation decides which data the application sees.
        text: annotation, what was found, what is expected.
    """

    kind: ProblemKind
    refuses: bool
    text: str

    @property
    def with_effect(self) -> str:
        """The text, and what is done about it where a pod is injected all the same."""
        return f"{self.text}; {'the default is used' if self.kind == 'malformed' else 'ignored'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """One attribute an option of the table; None: not set."""

    native: bool | None
    policy: str | None
    policy_key: str
    origin: str
    origin_secret: str | None
    origin_certificate: str | None
    origin_ca: str | None
    state_volume: str | None
    snapshot: bool
    port: int
    socket: bool
    socket_mode: str
    env: str
    containers: tuple[str, ...] | None
    admin_port: int
    cpu_request: Quantity
    cpu_limit: Quantity | None
    memory_request: Quantity | None
    memory_limit: Quantity | None
    max_memory: int | None
    max_clients: str | None
    max_client_memory: str | None
    client_output_limit: str | None
    idle_timeout: str | None
    log_level: str
    log_format: str
    prestop_sleep: int
    image: str
    image_pull_policy: str
    image_pull_secret: str | None
    run_as_user: int | None
    run_as_group: int | None

    @classmethod
    def from_texts(cls, texts: Mapping[str, object], places: Mapping[str, str] | None = None) -> Self:
        """The operator's settings.

        Args:
            texts: option -> text; what is not there has its default.
            places: option -> where it stands, for messages.

        Raises:
            SettingsError: with every problem found.
        """
        places = places or {}
        problems = [
            f"{places.get(name, name)}: is not a setting of the injector{_did_you_mean(name)}"
            for name in texts
            if name not in BY_NAME
        ]
        values: dict[str, Any] = {}
        for option in OPTIONS:
            text = texts.get(option.name, option.default)
            try:
                values[option.attribute] = None if text is None else parse_value(option, text)
            except ValueError as exc:
                problems.append(f"{places.get(option.name, option.name)}: {exc}")
        if problems:
            raise SettingsError("\n".join(problems))
        if values["image"] is None:
            values["image"] = f"feature-sidecar:{version('feature-sidecar')}"
        return cls(**values)

    def with_annotations(self, annotations: Mapping[str, object]) -> tuple[Self, list[Problem]]:
        """These settings, overlaid by a pod's annotations, and what of those is not followed."""
        values: dict[str, Any] = {}
        problems = []
        for option in OPTIONS:
            if option.annotation not in annotations:
                continue
            if option.operator_only:
                text = f"{option.annotation}: is set by the operator of the injector only"
                problems.append(Problem("operator_only", False, text))
                continue
            try:
                values[option.attribute] = parse_value(option, annotations[option.annotation])
            except ValueError as exc:
                problems.append(Problem("malformed", option.decides_data, f"{option.annotation}: {exc}"))
        return replace(self, **values), problems + _unknown(annotations)


def _unknown(annotations: Mapping[str, object]) -> list[Problem]:
    """Annotations with our prefix that the table does not have: the first of them, for there may be very many."""
    names = (name for name in annotations if name.startswith(PREFIX) and name != INJECT and name not in OWN_ANNOTATIONS)
    unknown = (name for name in names if name.removeprefix(PREFIX) not in BY_NAME)
    return [
        Problem("unknown", False, f"{name[:100]}: is not an annotation of ours{_did_you_mean(name)}")
        for name in islice(unknown, _MOST_UNKNOWN)
    ]


def setting_names() -> tuple[str, ...]:
    """The attributes of SidecarSettings."""
    return tuple(field.name for field in fields(SidecarSettings))


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name.removeprefix(PREFIX)[:100], BY_NAME, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
