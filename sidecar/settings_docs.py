"""``python -m sidecar.settings_docs > docs/settings.md``: the page made from the table of settings."""

from sidecar.flags import SETTINGS, Setting

_HEAD = """\
# Settings

<!-- made by `make docs` from sidecar/flags.py; a test fails when it is stale -->

Each is a flag of `feature-sidecar serve`, a variable in the environment and a key of the YAML file that `--config`
(`SIDECAR_CONFIG`) names. Flags win over the environment, the environment over the file, the file over the default.

| Flag, key | Variable | Default | Meaning |
|---|---|---|---|
"""


def as_markdown() -> str:
    """The page."""
    return _HEAD + "".join(map(_row, SETTINGS))


def _row(setting: Setting) -> str:
    flag = "(environment only)" if setting.environment_only else f"`--{setting.name} {setting.metavar}`"
    default = f"`{setting.default}`" if setting.default else "-"
    return f"| {flag} | `{setting.variable}` | {default} | {setting.help} |\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
