"""The command line: ``feature-sidecar serve`` and its tools.

Exit codes: 0 done, 1 a check failed or the work could not be done, 2 wrong usage, 130 interrupted. Data goes to
stdout, messages to stderr. Each command imports what it needs when it runs, so that ``serve`` starts fast.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from sidecar.flags import SETTINGS
from sidecar.injector import command_line

if TYPE_CHECKING:
    from policies import CompiledPolicy
    from sidecar.config import Config

DISTRIBUTION = "feature-sidecar"
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `feature-sidecar metrics | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION,
        description="A Redis on localhost that serves ML features from memory and falls through to SQLite or "
        "Couchbase.",
    )
    parser.add_argument("--version", action=_Version)
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        metavar="SHELL",
        choices=("bash", "zsh", "tcsh"),
        help="print a completion script for bash, zsh or tcsh",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="run the proxy",
        description="Run the proxy. Every flag is also SIDECAR_<FLAG> in the environment and a key of --config FILE.",
    )
    _add_settings(serve)
    serve.set_defaults(run=_serve)

    _add_policy(commands)

    config = commands.add_parser(
        "config",
        help="the effective configuration, secrets hidden",
        description="Show what serve would run with, given the same flags.",
    )
    _add_settings(config)
    config.set_defaults(run=_config)

    metrics = commands.add_parser("metrics", help="every metric: name, type, labels, meaning")
    metrics.set_defaults(run=_metrics)

    _add_prefetch(commands)

    load = commands.add_parser(
        "load",
        help="load features from JSONL, CSV or Parquet",
        description="Load rows: each becomes one hash, every column but the key a field.",
    )
    _add_load(load)
    load.set_defaults(run=_load)

    command_line.add_commands(commands)
    return parser


def _add_prefetch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prefetch = commands.add_parser("prefetch", help="what a running sidecar prefetches and what it learned")
    actions = prefetch.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="sets, precision and coverage; --export prints what was learned as policy")
    show.add_argument(
        "--admin",
        metavar="HOST:PORT",
        default="127.0.0.1:8379",
        help="the sidecar's admin port (default: %(default)s)",
    )
    show.add_argument("--admin-token-file", metavar="FILE", help="the token, where the admin port asks for one")
    show.add_argument("--export", action="store_true", help="what was learned as feature_sets, to review and paste")
    show.add_argument("--json", action="store_true", help="what the admin port answers")
    show.set_defaults(run=_prefetch_show)


def _add_policy(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    policy = commands.add_parser("policy", help="check or explain a policy file")
    actions = policy.add_subparsers(dest="action", metavar="ACTION", required=True)

    check = actions.add_parser("check", help="validate; exit 1 with file, line and what was expected")
    check.add_argument("file", metavar="FILE")
    check.set_defaults(run=_policy_check)

    explain = actions.add_parser("explain", help="which rule applies to a key, every number and where it came from")
    explain.add_argument("file", metavar="FILE")
    explain.add_argument("key", metavar="KEY")
    explain.add_argument("field", metavar="FIELD", nargs="?")
    explain.set_defaults(run=_policy_explain)

    feast = actions.add_parser("import-feast", help="feature views and TTLs of a Feast repository, as a policy block")
    feast.add_argument("repository", metavar="REPO")
    feast.set_defaults(run=_policy_import_feast)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting. Values stay text: sidecar.config reads all sources alike."""
    parser.add_argument("--config", metavar="FILE", help="a YAML file of settings")
    for setting in SETTINGS:
        if setting.environment_only:
            continue
        default = f" (default: {setting.default})" if setting.default else ""
        parser.add_argument(
            f"--{setting.name}",
            metavar=setting.metavar,
            dest=setting.attribute,
            action="append" if setting.repeats else "store",
            help=(setting.help + default).replace("%", "%%"),
        )


def _add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help=".jsonl, .csv or .parquet; - reads JSONL from stdin")
    parser.add_argument(
        "--to",
        metavar="URL",
        default="redis://127.0.0.1:6379",
        help="redis://host:port through the proxy, or an origin such as sqlite:///./features.db (default: %(default)s)",
    )
    parser.add_argument(
        "--key", metavar="TEMPLATE", help='the key, made from columns: "user:{user_id}" (default: the column `key`)'
    )
    parser.add_argument("--batch", metavar="NUMBER", type=int, default=500, help="rows per round trip (default: 500)")
    parser.add_argument("--policy", metavar="FILE", help="a policy whose dtypes and documents apply, for an origin")


def _serve(arguments: argparse.Namespace) -> int:
    config = _configuration(arguments)
    if config is None:
        return USAGE
    from sidecar import server

    return server.main(config)


def _config(arguments: argparse.Namespace) -> int:
    config = _configuration(arguments)
    if config is None:
        return USAGE
    rows = config.shown()
    wide, widest = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, source in rows:
        print(f"{name:<{wide}}  {value:<{widest}}  {source}")
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    return OK


def _configuration(arguments: argparse.Namespace) -> "Config | None":
    """The Config, or None after the problems went to stderr."""
    from sidecar import config

    try:
        return config.load(vars(arguments), os.environ)
    except config.ConfigError as exc:
        for problem in exc.problems:
            print(f"{DISTRIBUTION}: {problem}", file=sys.stderr)
        return None


def _policy_check(arguments: argparse.Namespace) -> int:
    policy = _policy(arguments.file)
    if policy is None:
        return FAILED
    views, sets = len(policy.policy.views), len(policy.feature_sets)
    print(f"{arguments.file}: valid; feature views: {views}, feature sets: {sets}")
    return OK


def _policy_explain(arguments: argparse.Namespace) -> int:
    policy = _policy(arguments.file)
    if policy is None:
        return FAILED
    field = None if arguments.field is None else os.fsencode(arguments.field)
    print(policy.explain(os.fsencode(arguments.key), field))
    return OK


def _policy_import_feast(arguments: argparse.Namespace) -> int:
    from policies.feast_import import FeastImportError, import_feast

    try:
        print(import_feast(arguments.repository), end="")
    except FeastImportError as exc:
        print(f"{DISTRIBUTION}: {exc}", file=sys.stderr)
        return FAILED
    return OK


def _policy(path: str) -> "CompiledPolicy | None":
    """The compiled policy, or None after its problems went to stderr."""
    import policies

    try:
        return policies.load(path).compile()
    except (policies.PolicyError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return None


def _metrics(arguments: argparse.Namespace) -> int:
    from sidecar.metrics import catalog

    print(catalog.as_text())
    return OK


def _load(arguments: argparse.Namespace) -> int:
    from sidecar import load

    return load.main(arguments)


def _prefetch_show(arguments: argparse.Namespace) -> int:
    from sidecar import prefetch_show

    return prefetch_show.main(arguments)


class _Version(argparse.Action):
    """--version, on one line; the metadata is read only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
        parser.exit(OK)


class _PrintCompletion(argparse.Action):
    """--print-completion SHELL; shtab is imported only for it."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, shell: object, *_: object) -> None:
        import shtab

        print(shtab.complete(parser, shell=str(shell)))
        parser.exit(OK)


if __name__ == "__main__":
    sys.exit(main())
