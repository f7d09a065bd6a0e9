"""The table of annotations: one row a setting, typed and bounded, and a page that is not stale."""

from pathlib import Path

import pytest

from sidecar.injector import docs
from sidecar.injector.annotation_values import parse_switch
from sidecar.injector.annotations import BY_NAME, INJECT, OPTIONS, PREFIX, STATUS, parse_value
from sidecar.injector.operator_file import read_settings
from sidecar.injector.quantity import binary_megabytes, parse_quantity
from sidecar.injector.settings import SettingsError, SidecarSettings, setting_names

PAGE = Path(__file__).parents[2] / "docs/annotations.md"
DEFAULTS = SidecarSettings.from_texts({})


def test_every_row_is_a_setting_and_every_setting_a_row():
    """Both ways, so that neither can be forgotten."""
    assert tuple(option.attribute for option in OPTIONS) == setting_names()


def test_the_page_is_made_from_the_table():
    """`make docs` writes it; this fails when the table changed and the page did not."""
    assert PAGE.read_text() == docs.as_markdown()


def test_defaults_are_values_of_their_own_rows():
    """Each default is read like what a user writes."""
    for option in OPTIONS:
        if option.default is not None:
            assert parse_value(option, option.default) == getattr(DEFAULTS, option.attribute), option.name
    assert DEFAULTS.image.startswith("feature-sidecar:")


@pytest.mark.parametrize("name", ["image", "image-pull-policy", "image-pull-secret", "run-as-user", "run-as-group"])
def test_what_is_the_operators_has_no_annotation(name: str):
    """A pod's author is told so, and nothing changes."""
    settings, problems = DEFAULTS.with_annotations({PREFIX + name: "1000"})
    assert settings == DEFAULTS
    assert [problem.kind for problem in problems] == ["operator_only"]
    assert not problems[0].refuses
    assert "by the operator" in problems[0].text


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("native", "true", "maybe"),
        ("policy", "ranker.policy-1", "Ranker"),
        ("policy-key", "Policy_1.yaml", "../policy.yaml"),
        ("origin", "couchbases://cb1,cb2/features", "couchbase://user:secret@cb/features"),
        ("origin", "sqlite:////var/lib/feature-sidecar/a.db", "sqlite:///./features.db"),
        ("origin", "memory://", "sqlite:////var/lib/feature-sidecar/../../etc/x"),
        ("origin", "couchbase://a/b", "couchbase://a/b?x=" + "y" * 2048),
        ("origin-secret", "cb", "cb/x"),
        ("origin-certificate", "cb-client", "cb_client"),
        ("origin-ca", "authorities", ""),
        ("state-volume", "disk", "disk_1"),
        ("snapshot", "true", "1"),
        ("port", "0", "80"),
        ("port", "65535", "65536"),
        ("admin-port", "9000", "0"),
        ("socket", "false", "no"),
        ("socket-mode", "660", "9999"),
        ("env", "unix", "both"),
        ("containers", "a, b", ","),
        ("cpu-request", "250m", "1e3"),
        ("cpu-limit", "0.5", "0"),
        ("memory-request", "64Mi", "1Mi"),
        ("memory-limit", "1Gi", "2Ti"),
        ("max-memory", "64MiB", "64Mi"),
        ("max-clients", "100", "0"),
        ("max-client-memory", "32MiB", "1B"),
        ("client-output-limit", "1MiB", "1"),
        ("idle-timeout", "30s", "30"),
        ("log-level", "debug", "trace"),
        ("log-format", "console", "xml"),
        ("prestop-sleep", "10s", "1500ms"),
        ("prestop-sleep", "0s", "11m"),
    ],
)
def test_values_are_typed_and_bounded(name: str, good: str, bad: str):
    """A value that is not one is told with what was found and what is expected."""
    settings, problems = DEFAULTS.with_annotations({PREFIX + name: good})
    assert problems == []
    assert getattr(settings, BY_NAME[name].attribute) is not None
    settings, problems = DEFAULTS.with_annotations({PREFIX + name: bad})
    assert settings == DEFAULTS
    assert [problem.kind for problem in problems] == ["malformed"]
    assert problems[0].text.startswith(f"{PREFIX}{name}: found")
    assert "secret@" not in problems[0].text


def test_every_annotation_has_a_good_and_a_bad_value_above():
    """A new row brings its bounds to the test."""
    (mark,) = test_values_are_typed_and_bounded.pytestmark
    assert {name for name, _, _ in mark.args[1]} == {option.name for option in OPTIONS if not option.operator_only}


def test_what_decides_the_data_refuses_and_the_rest_takes_its_default():
    """An application that reads from another origin than it was told would get wrong features unnoticed."""
    _, problems = DEFAULTS.with_annotations({PREFIX + option.name: "\0" for option in OPTIONS})
    refusing = {problem.text.split(":")[0].removeprefix(PREFIX) for problem in problems if problem.refuses}
    assert refusing == {
        "policy",
        "policy-key",
        "origin",
        "origin-secret",
        "origin-certificate",
        "origin-ca",
        "state-volume",
    }


def test_an_unknown_annotation_is_told_with_the_nearest_name():
    """A typo must not pass silently."""
    _, problems = DEFAULTS.with_annotations({PREFIX + "max-memroy": "1GiB"})
    assert problems[0].kind == "unknown"
    assert "did you mean max-memory?" in problems[0].text


def test_of_very_many_unknown_annotations_the_first_are_told():
    """The search for near names is bounded; an annotation that refuses is found among them all the same."""
    annotations = {PREFIX + f"max-memory{number}": "1" for number in range(10_000)}
    _, problems = DEFAULTS.with_annotations({**annotations, PREFIX + "policy": "/etc"})
    assert [problem.kind for problem in problems] == ["malformed", *["unknown"] * 8]
    assert problems[0].refuses


def test_foreign_annotations_and_our_marks_are_no_problem():
    """Only our prefix is looked at, and not what we set ourselves."""
    annotations = {"prometheus.io/port": "x", INJECT: "true", STATUS: "injected", "feature-sidecar": "y"}
    assert DEFAULTS.with_annotations(annotations) == (DEFAULTS, [])


@pytest.mark.parametrize(("text", "value"), [("true", True), ("enabled", True), ("false", False), ("disabled", False)])
def test_switches(text: str, value: bool):
    """As in annotations of other injectors."""
    assert parse_switch(text) is value


@pytest.mark.parametrize("text", ["", "True", "yes", "on", "1", " true"])
def test_what_is_no_switch(text: str):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="expected true or false"):
        parse_switch(text)


@pytest.mark.parametrize(
    ("text", "amount"), [("250m", "0.250"), ("1", "1"), ("1.5", "1.5"), ("64Mi", str(64 << 20)), ("2G", "2000000000")]
)
def test_quantities(text: str, amount: str):
    """CPUs or bytes; the text stays as it was written."""
    found = parse_quantity(text)
    assert str(found) == text
    assert str(found.amount) == amount


@pytest.mark.parametrize("text", ["", "-1", "+1", "1e3", "1MiB", "1 Gi", "0x10", "1_0", "Mi", "\u0661"])
def test_what_is_no_quantity(text: str):
    """Kubernetes would refuse the pod, or take it for something else."""
    with pytest.raises(ValueError, match="expected a Kubernetes quantity"):
        parse_quantity(text)


def test_bytes_become_whole_mebibytes_rounded_up():
    """A limit must not be below what it was made from."""
    assert str(binary_megabytes((512 << 20) + 1)) == "513Mi"


def test_the_operators_file_is_read_as_text_with_lines(tmp_path: Path):
    """0660 is a mode and no number; what is empty is not set; --set wins."""
    file = tmp_path / "sidecar.yaml"
    file.write_text("image: registry.example/fs:2\nsocket-mode: 0660\npolicy:\nsnapshot: true\nport: 6380\n")
    settings = read_settings(str(file), ["port=6381"])
    assert (settings.image, settings.socket_mode, settings.policy) == ("registry.example/fs:2", "0660", None)
    assert (settings.snapshot, settings.port) == (True, 6381)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port: 80", r"sidecar.yaml:1 port: found '80', expected a port"),
        ("\nimagee: x", r"sidecar.yaml:2 imagee: is not a setting of the injector \(did you mean image\?\)"),
        ("run-as-user: 0", r"root is refused"),
        ("port: [1]", r"sidecar.yaml:1 port: found a sequence"),
        ("- port", r"sidecar.yaml:1: found a sequence"),
        ("a: {", r"sidecar.yaml:1: not YAML"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, expected: str):
    """Where, what was found, what is expected."""
    file = tmp_path / "sidecar.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=expected):
        read_settings(str(file))


def test_a_missing_file_and_a_wrong_assignment_are_told():
    """--set needs a name and a value."""
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings("/nowhere/sidecar.yaml")
    with pytest.raises(SettingsError, match="expected name=value"):
        read_settings(None, ["port"])
    with pytest.raises(SettingsError, match="--set port: found 'x'"):
        read_settings(None, ["port=x"])
