"""The command line: exit codes, where output goes, and what a quick start must not import."""

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar import cli
from sidecar.flags import SETTINGS
from sidecar.metrics.catalog import CATALOG

POLICY = Path(__file__).parents[2] / "examples/policy.yaml"


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, or a piece of Python, in a process of its own; -P: nothing is imported from this folder."""
    command = ["-c", code] if code else ["-m", "sidecar.cli", *arguments]
    return subprocess.run([sys.executable, "-P", *command], capture_output=True, text=True, check=False)


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]):
    """`feature-sidecar --version` prints name and version to stdout and exits 0."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    name, version = capsys.readouterr().out.split()
    assert name == "feature-sidecar" and version[0].isdigit()


def test_no_command_shows_the_help_on_stderr_and_exits_2(capsys: pytest.CaptureFixture[str]):
    """Wrong usage is 2; stdout is for data."""
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "serve" in err


def test_an_unknown_flag_exits_2(capsys: pytest.CaptureFixture[str]):
    """argparse's own code for wrong usage."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", "--max-memroy", "1GiB"])
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["serve", "config"])
def test_a_wrong_setting_exits_2_with_the_problem_on_stderr(command: str, capsys: pytest.CaptureFixture[str]):
    """serve does not start with a setting it cannot read."""
    assert cli.main([command, "--max-memory", "64"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "feature-sidecar: --max-memory: found '64', expected a size with a unit such as 64MiB or 512KiB\n"


def test_config_shows_every_setting_with_its_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """One line a setting; the password only as set."""
    monkeypatch.setenv("SIDECAR_ORIGIN_PASSWORD", "hunter2")
    assert cli.main(["config", "--max-memory", "64MiB"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [setting.name for setting in SETTINGS]
    assert ["max-memory", "64MiB", "flag"] in lines
    assert ["origin-password", "(set)", "environment"] in lines


def test_serve_has_a_flag_for_every_setting_but_secrets():
    """The help of serve names them all; what only the environment may hold is no flag."""
    text = run("serve", "--help").stdout
    for setting in SETTINGS:
        assert (f"--{setting.name} " in text) is not setting.environment_only, setting.name


def test_metrics_lists_the_whole_catalog(capsys: pytest.CaptureFixture[str]):
    """Name, labels, type and meaning of each."""
    assert cli.main(["metrics"]) == 0
    out = capsys.readouterr().out
    assert all(metric.full_name in out and metric.help in out for metric in CATALOG)
    assert "feature_sidecar_lookups_total{view,outcome}  counter" in out


def test_policy_check_accepts_the_example(capsys: pytest.CaptureFixture[str]):
    """Exit 0 and a line that says what is in it."""
    assert cli.main(["policy", "check", str(POLICY)]) == 0
    assert capsys.readouterr().out == f"{POLICY}: valid; feature views: 3, feature sets: 1\n"


def test_policy_check_exits_1_with_file_line_path_and_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A bare number is no duration."""
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\ndefaults:\n  ttl: 30\n")
    assert cli.main(["policy", "check", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{file}:3 defaults.ttl: found 30, expected a duration with a unit")


def test_policy_explain_names_rule_number_and_line(capsys: pytest.CaptureFixture[str]):
    """The glob ctr_* of the example gives ctr_7d its 30s."""
    assert cli.main(["policy", "explain", str(POLICY), "user:42", "ctr_7d"]) == 0
    out = capsys.readouterr().out
    assert "user_profile.ctr_*" in out
    assert any(line.split()[:2] == ["ttl", "30s"] and "policy.yaml:20" in line for line in out.splitlines())


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_is_printed_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]):
    """--print-completion needs no subcommand and knows them all."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", shell])
    assert ended.value.code == 0
    assert "max-memory" in capsys.readouterr().out


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C is no failure with a traceback."""

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_metrics", interrupted)
    assert cli.main(["metrics"]) == 130


def test_a_closed_pipe_ends_quietly():
    """`feature-sidecar metrics | head -1` prints no traceback."""
    code = (
        "import os, sys; from sidecar import cli; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
        "sys.exit(cli.main(['metrics']))"
    )
    ended = run(code=code)
    assert ended.returncode == 1
    assert ended.stderr == ""


def test_serving_imports_neither_rich_nor_couchbase_nor_redis():
    """Each costs tens of milliseconds and megabytes before the first client; only their users import them."""
    code = (
        "import sys, sidecar.server; "
        "print(sorted({'rich', 'couchbase', 'redis', 'shtab', 'structlog', 'pyarrow'} & set(sys.modules)))"
    )
    ended = run(code=code)
    assert ended.stderr == ""
    assert ended.stdout == "[]\n"
