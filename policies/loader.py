"""From the text of a policy file to a checked Policy, or every problem in it with its place."""

import re
from pathlib import Path
from typing import Any

import msgspec

from policies.blocks import BlockReader, Findings, read_text
from policies.checks import check
from policies.errors import PolicyError, Problem
from policies.feast import KEY_VERSION, FeastHash
from policies.feature_pattern import FeaturePattern
from policies.key_pattern import parse_key_pattern
from policies.model import Feature, FeatureSet, FeatureView, Given, OriginMapping, Place, SetMember
from policies.origin_reader import read_origin
from policies.policy import Policy, content_digest, make_prefetch, make_snapshot, make_warmup
from policies.rules import DEFAULT_VIEW
from policies.settings import BY_LEVEL, FEATURE_SETTINGS, FRESHNESS_SETTINGS, SECTIONS, VIEW_SETTINGS
from policies.yaml_tree import Mapping, Node, YamlError, parse_yaml

MAX_FILE_BYTES = 16 * 2**20  # a ConfigMap holds 1 MiB
_NAME = re.compile(r"[\w.@/-]{1,128}")
_EXPECTED_NAME = "a name of 1 to 128 letters, digits and _ . @ / -"
_EXPECTED_PROJECT = "the Feast project's name"
_EXPECTED_JOIN_KEYS = "a list of the entity's join keys"
_EXPECTED_MEMBERS = "a list of at least two key patterns"
_EXPECTED_KEYS = 'a quoted pattern such as "user:{user_id}"'
_EXPECTED_MEMBER = f"{_EXPECTED_KEYS}, or {{view: NAME}}"
_EXPECTED_VIEW = "the name of a feature view"


def load(path: str | Path) -> Policy:
    """Read and check a policy file.

    Raises:
        PolicyError: it cannot be read, or every problem in it.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PolicyError([Problem(str(path), 1, "", error.strerror or "no file", "a readable file")]) from error
    return parse(text, str(path))


def parse(text: str | bytes, filename: str) -> Policy:
    """Read and check the text of a policy file; ``filename`` is what problems name.

    Raises:
        PolicyError: every problem in it.
    """
    if len(text) > MAX_FILE_BYTES:
        raise PolicyError([Problem(filename, 1, "", f"more than {MAX_FILE_BYTES >> 20} MiB", "a smaller policy")])
    try:
        root = parse_yaml(text)
    except YamlError as error:
        raise PolicyError([Problem(filename, error.line, "", error.found, error.expected, error.hint)]) from error
    findings = Findings(filename)
    policy = _read_policy(findings, root)
    if not findings.problems:  # a check of half a policy would report what follows from the problems above
        check(policy, findings)
    if findings.problems:
        raise PolicyError(findings.problems)
    return msgspec.structs.replace(policy, digest=content_digest(text))


def _read_policy(findings: Findings, root: Node) -> Policy:
    """The whole file."""
    top = BlockReader(findings, root, Place(root.line, ""))
    top.require("version", "version: 1")
    top.text("version", "1, the only version there is", _version)
    defaults = top.block("defaults")
    given = defaults.settings(BY_LEVEL["defaults"])
    defaults.finish(_belongs)
    views = [_read_view(findings, node, place) for node, place in top.items("feature_views", "a list of feature views")]
    sets = [_read_set(findings, node, place) for node, place in top.items("feature_sets", "a list of feature sets")]
    sections = {name: _read_section(top, name) for name in SECTIONS}
    top.finish(_belongs)
    return Policy(
        filename=findings.filename,
        defaults=given,
        views=tuple(views),
        feature_sets=tuple(sets),
        prefetch=make_prefetch(sections["prefetch"]),
        snapshot=make_snapshot(sections["snapshot"]),
        warmup=make_warmup(sections["warmup"]),
        flush=sections["commands"]["flush"],
    )


def _version(text: str) -> None:
    """Only version 1."""
    if text != "1":
        raise ValueError(text)


def _read_section(top: BlockReader, name: str) -> dict[str, Any]:
    """A section of scalar settings, defaults filled in."""
    section = top.block(name)
    given = section.settings(SECTIONS[name])
    section.finish(_belongs)
    values = {setting.name: setting.default for setting in SECTIONS[name]}
    return values | {key: value.value for key, value in given.items()}


def _named(findings: Findings, node: Node, place: Place) -> tuple[BlockReader, str]:
    """A list item with a name, which from here on its path shows."""
    name = BlockReader(Findings(""), node, place).text("name", "", _name) or ""
    block = BlockReader(findings, node, Place(place.line, f"{place.path} ({name})") if name else place)
    block.require("name", _EXPECTED_NAME)
    block.text("name", f"{_EXPECTED_NAME}; {DEFAULT_VIEW} is reserved", _name)
    return block, name


def _name(text: str) -> str:
    """A name that metrics and paths can show."""
    if not _NAME.fullmatch(text) or text == DEFAULT_VIEW:
        raise ValueError(text)
    return text


def _read_view(findings: Findings, node: Node, place: Place) -> FeatureView:
    """One item of ``feature_views``."""
    block, name = _named(findings, node, place)
    keys = block.text("keys", _EXPECTED_KEYS, parse_key_pattern)
    feast = _read_feast(block.block("feast")) if "feast" in block else None
    block.take("feast")
    if ("keys" in block) == ("feast" in block) and not block.is_wrong:
        found = "both keys and feast" if "keys" in block else "neither keys nor feast"
        findings.report(block.place, found, "one of them, to say which keys the view has")
    settings = block.settings(BY_LEVEL["view"])
    own = block.settings(VIEW_SETTINGS)
    origin = read_origin(block, name, keys, feast)
    features = block.block("features")
    listed = [_read_feature(findings, text, line, at, feast) for text, line, at in features.entries()]
    places = {part: block.place_of(part) for part in ("name", "keys", "feast", "origin", "durability") if part in block}
    block.finish(_belongs)
    return FeatureView(
        name=name,
        place=block.place,
        keys=keys,
        feast=feast,
        settings=settings,
        features=tuple(listed),
        origin=origin or OriginMapping(),
        durability=_value(own.get("durability"), "none"),
        document_expiry=_value(own.get("document_expiry"), False),
        places=places,
    )


def _value(given: Given | None, default: Any) -> Any:
    """A setting's value, or the default."""
    return default if given is None else given.value


def _read_feast(block: BlockReader) -> FeastHash | None:
    """The block ``feast``: a project and join keys. Feast sorts the join keys in its entity keys."""
    block.require("project", _EXPECTED_PROJECT)
    block.require("join_keys", _EXPECTED_JOIN_KEYS)
    project = block.text("project", _EXPECTED_PROJECT, _nonempty)
    hint = "Feast writes keys of version 3 since 0.40: set entity_key_serialization_version: 3 and materialize again"
    version = block.take("entity_key_serialization_version")
    if version is not None and str(version) != str(KEY_VERSION):
        place = block.place_of("entity_key_serialization_version")
        block.findings.report(place, version, str(KEY_VERSION), hint)
    names = []
    for node, place in block.items("join_keys", _EXPECTED_JOIN_KEYS, least=1):
        name = read_text(block.findings, node, place, "the name of a join key", _nonempty) or ""
        if name in names:
            block.findings.report(place, f"{name} again", "each join key once")
        names.append(name)
    block.finish(_belongs)
    return FeastHash(project, tuple(sorted(names))) if project and names else None


def _nonempty(text: str) -> str:
    """Any text but none."""
    if not text:
        raise ValueError(text)
    return text


def _read_feature(findings: Findings, name: str, node: Node, place: Place, feast: FeastHash | None) -> Feature:
    """One line under ``features``."""
    block = BlockReader(findings, node, place)
    settings = block.settings(BY_LEVEL["feature"])
    dtype = block.setting(FEATURE_SETTINGS[0])
    block.finish(_belongs)
    pattern = FeaturePattern(name)
    if not name:
        findings.report(place, "an empty name", "a feature's name or a glob")
    if feast is not None and pattern.is_glob:
        hint = "Feast stores hashes of names: policy import-feast lists every feature"
        findings.report(place, f"the glob {name}", "a feature's whole name in a feast view", hint)
    if feast is not None and dtype is not None:
        findings.report(dtype.place, f"dtype {dtype.value}", "no dtype in a feast view, whose values are Feast's bytes")
    return Feature(pattern, settings, place, _value(dtype, None))


def _read_set(findings: Findings, node: Node, place: Place) -> FeatureSet:
    """One item of ``feature_sets``."""
    block, name = _named(findings, node, place)
    block.require("members", _EXPECTED_MEMBERS)
    members = [_read_member(findings, item, at) for item, at in block.items("members", _EXPECTED_MEMBERS, least=2)]
    block.finish(_belongs)
    return FeatureSet(name, tuple(members), block.place)


def _read_member(findings: Findings, node: Node, place: Place) -> SetMember:
    """A key pattern, or ``{view: name}``."""
    if isinstance(node, Mapping):
        block = BlockReader(findings, node, place)
        block.require("view", _EXPECTED_VIEW)
        view = block.text("view", _EXPECTED_VIEW, _name)
        block.finish(_belongs)
        return SetMember(place, view=view)
    return SetMember(place, keys=read_text(findings, node, place, _EXPECTED_MEMBER, parse_key_pattern))


def _belongs(name: str) -> str:
    """A hint for a setting that stands in the wrong block."""
    for setting in FRESHNESS_SETTINGS:
        if setting.name == name:
            levels = {"defaults": "defaults", "view": "a feature view", "feature": "a feature"}
            return f"{name} belongs in {' or '.join(levels[level] for level in setting.levels)}"
    if name in {setting.name for setting in VIEW_SETTINGS}:
        return f"{name} belongs in a feature view"
    if name == "dtype":
        return "dtype belongs in a feature"
    return ""
