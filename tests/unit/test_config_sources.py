"""Where a setting's value comes from, and what is said when it cannot be used."""

from dataclasses import fields
from pathlib import Path

import pytest

from sidecar import config, settings_docs
from sidecar.address import TcpAddress, UnixAddress
from sidecar.config import Config, ConfigError, default_max_memory
from sidecar.flags import SETTINGS


def problems_of(flags: dict, environment: dict) -> tuple[str, ...]:
    """The problems of a configuration that must be refused."""
    with pytest.raises(ConfigError) as caught:
        config.load(flags, environment)
    return caught.value.problems


def test_every_setting_is_an_attribute_of_config_and_the_reverse():
    """The table of settings and Config are the same set."""
    assert {setting.attribute for setting in SETTINGS} == {f.name for f in fields(Config)} - {"sources", "warnings"}


def test_defaults_are_those_of_the_help():
    """With nothing given, serve listens on Redis's port of loopback and keeps its data in SQLite."""
    found = config.load({}, {})
    assert found.listen == (TcpAddress("127.0.0.1", 6379),)
    assert found.admin == TcpAddress("127.0.0.1", 8379)
    assert found.origin == "sqlite:///./features.db"
    assert (found.client_output_limit, found.max_client_memory) == (1 << 20, 64 << 20)
    assert (found.drain_timeout, found.idle_timeout, found.max_clients) == (1.5, 0.0, 10000)
    assert set(found.sources.values()) <= {"default", "default (60% of the cgroup's limit)"}


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path):
    """Each source is used where the ones above it are silent."""
    file = tmp_path / "sidecar.yaml"
    file.write_text("max-clients: 1\nlog-level: error\nidle-timeout: 9s\n")
    found = config.load(
        {"config": str(file), "max_clients": "3"}, {"SIDECAR_MAX_CLIENTS": "2", "SIDECAR_LOG_LEVEL": "debug"}
    )
    assert (found.max_clients, found.sources["max_clients"]) == (3, "flag")
    assert (found.log_level, found.sources["log_level"]) == ("debug", "environment")
    assert (found.idle_timeout, found.sources["idle_timeout"]) == (9.0, "file")
    assert (found.log_format, found.sources["log_format"]) == ("json", "default")


def test_the_file_can_be_named_by_the_environment(tmp_path: Path):
    """SIDECAR_CONFIG stands for --config."""
    file = tmp_path / "sidecar.yaml"
    file.write_text("max-memory: 64MiB\n")
    assert config.load({}, {"SIDECAR_CONFIG": str(file)}).max_memory == 64 << 20


def test_listen_may_be_repeated_in_every_source(tmp_path: Path):
    """Flags repeat, the environment separates by commas, the file has a list."""
    both = (TcpAddress("::1", 7), UnixAddress("/run/s.sock"))
    file = tmp_path / "sidecar.yaml"
    file.write_text('listen: ["tcp://[::1]:7", "unix:///run/s.sock"]\n')
    assert config.load({"listen": ["tcp://[::1]:7", "unix:///run/s.sock"]}, {}).listen == both
    assert config.load({}, {"SIDECAR_LISTEN": "tcp://[::1]:7,unix:///run/s.sock"}).listen == both
    assert config.load({"config": str(file)}, {}).listen == both


def test_a_mode_in_the_file_is_octal_as_it_stands_there(tmp_path: Path):
    """YAML would read 0600 as the number 384; the text counts."""
    file = tmp_path / "sidecar.yaml"
    file.write_text("unix-socket-mode: 0600\n")
    assert config.load({"config": str(file)}, {}).unix_socket_mode == 0o600


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path):
    """A flag, a variable and two lines of the file are wrong: four problems, each with where it stands."""
    file = tmp_path / "sidecar.yaml"
    file.write_text("idle-timeout: 30\nmax-memroy: 64MiB\n")
    found = problems_of({"config": str(file), "max_memory": "64"}, {"SIDECAR_LOG_LEVEL": "loud"})
    assert sorted(found) == sorted(
        [
            f"{file}:2 max-memroy: is not a setting; `feature-sidecar config` lists the settings",
            f"{file}:1 idle-timeout: found '30', expected a duration with a unit such as 30s or 1h",
            "--max-memory: found '64', expected a size with a unit such as 64MiB or 512KiB",
            "SIDECAR_LOG_LEVEL: found 'loud', expected one of debug, info, warning, error",
        ]
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- a\n", ":1: found a sequence, expected settings such as max-memory: 64MiB"),
        ("a: [\n", ":2: not YAML: "),
        ("max-clients: 1\nmax-clients: 2\n", ":2 max-clients: stands twice"),
        ("max-clients: {a: 1}\n", ":1 max-clients: found a mapping, expected one value"),
        ("origin-password: hunter2\n", ":1 origin-password: is only read from the environment"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_its_line(tmp_path: Path, content: str, expected: str):
    """Each kind of broken file is told with file and line, and a secret in it is not repeated."""
    file = tmp_path / "sidecar.yaml"
    file.write_text(content)
    (problem,) = problems_of({"config": str(file)}, {})
    assert problem.startswith(f"{file}{expected}")
    assert "hunter2" not in problem


def test_a_missing_file_is_told(tmp_path: Path):
    """--config names a file that must be there."""
    assert problems_of({"config": str(tmp_path / "none.yaml")}, {}) == (
        f"{tmp_path}/none.yaml: cannot be read: No such file or directory",
    )


def test_an_empty_file_sets_nothing(tmp_path: Path):
    """A file of comments only is a file without settings."""
    file = tmp_path / "sidecar.yaml"
    file.write_text("# nothing yet\n")
    assert config.load({"config": str(file)}, {}).max_clients == 10000


@pytest.mark.parametrize(
    "address", ["tcp://0.0.0.0:6379", "tcp://10.1.2.3:6379", "tcp://[::]:6379", "tcp://example.org:1"]
)
def test_listening_beyond_loopback_needs_a_password(address: str):
    """Anyone who reaches the port could read and write every feature."""
    (problem,) = problems_of({"listen": [address]}, {})
    assert address in problem and "--requirepass-file" in problem
    assert config.load({"listen": [address], "requirepass_file": "/run/secret"}, {}).listen


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:0", "tcp://127.8.9.1:1", "tcp://[::1]:1", "tcp://localhost:1", "unix:///x"]
)
def test_loopback_needs_no_password(address: str):
    """Loopback in all its forms, and unix sockets, stay on the machine."""
    assert len(config.load({"listen": [address]}, {}).listen) == 1


def test_unknown_variables_are_a_warning_and_no_error():
    """Kubernetes sets SIDECAR_PORT for a Service called sidecar."""
    found = config.load({}, {"SIDECAR_PORT": "tcp://10.0.0.1:6379", "SIDECAR_SERVICE_HOST": "x", "PATH": "/bin"})
    assert found.warnings == ("not settings, ignored: SIDECAR_PORT, SIDECAR_SERVICE_HOST",)
    assert config.load({}, {"PATH": "/bin", "SIDECAR_ADMIN": "127.0.0.1:1"}).warnings == ()


def test_the_page_of_settings_is_made_from_the_table():
    """`make docs` writes it; this fails when a setting changed and the page did not."""
    assert (Path(__file__).parents[2] / "docs/settings.md").read_text() == settings_docs.as_markdown()


def test_memory_defaults_to_a_share_of_the_container():
    """The smaller of 256 MiB and 60% of the limit, and the source says which."""
    assert default_max_memory(None) == (256 << 20, "default")
    assert default_max_memory(4 << 30) == (256 << 20, "default")
    assert default_max_memory(100 << 20) == (60 << 20, "default (60% of the cgroup's limit)")


@pytest.mark.parametrize(
    "url",
    [
        "couchbase://admin:hunter2@host/b",
        "couchbase://host/b?password=hunter2",
        "couchbases://h/b?Secret_Token=hunter2",
    ],
)
def test_credentials_in_the_origins_url_are_refused_and_not_repeated(url: str):
    """URLs end up in logs and process lists; the message must not put them there itself."""
    (problem,) = problems_of({"origin": url}, {})
    assert "credentials in the URL" in problem
    assert "hunter2" not in problem


def test_an_origin_of_an_unknown_kind_is_refused():
    """The kinds there are stand in the message."""
    (problem,) = problems_of({"origin": "mysql://h/b"}, {})
    assert "sqlite://, couchbase://, couchbases://, memory://" in problem


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ({"origin_password_file": "/x"}, {"SIDECAR_ORIGIN_PASSWORD": "p"}, "origin-password: found both"),
        ({"origin_certificate": "/x"}, {}, "origin-certificate: found one of certificate and key"),
    ],
)
def test_credentials_that_contradict_each_other_are_refused(flags: dict, environment: dict, expected: str):
    """Two passwords, or half of a certificate."""
    (problem,) = problems_of(flags, environment)
    assert problem.startswith(expected)


def test_secrets_hide_in_every_form_of_the_configuration():
    """The password is in the environment, and neither repr() nor what `config` prints shows it."""
    found = config.load({}, {"SIDECAR_ORIGIN_PASSWORD": "hunter2"})
    assert found.origin_password is not None and found.origin_password.reveal() == b"hunter2"
    assert "hunter2" not in repr(found) + str(found) + repr(found.shown())
    assert ("origin-password", "(set)", "environment") in found.shown()


def test_what_is_shown_can_be_given_again():
    """Every shown value that is set parses to the value it was shown for."""
    given = {"max_memory": "48MiB", "idle_timeout": "1500ms", "unix_socket_mode": "0600", "admin": "[::1]:99"}
    first = config.load(given, {})
    again = {name.replace("-", "_"): text for name, text, _ in first.shown() if text not in ("-", "(set)")}
    again["listen"] = again["listen"].split(", ")
    second = config.load(again, {})
    assert [row[:2] for row in first.shown()] == [row[:2] for row in second.shown()]
    assert second.unix_socket_mode == 0o600 and second.admin == TcpAddress("::1", 99)
