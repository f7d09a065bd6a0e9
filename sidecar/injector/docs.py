"""``python -m sidecar.injector.docs > docs/annotations.md``: the page made from the table of annotations."""

from sidecar.injector.annotations import INJECT, INJECTED_LABEL, OPTIONS, STATUS, VERSION, Option

_HEAD = f"""\
# Annotations

<!-- made by `make docs` from sidecar/injector/annotations.py; a test fails when it is stale -->

What a pod can say about its sidecar, as annotations of the pod (in a Deployment: of its template). Each is also a key
of the injector's settings file (`feature-sidecar injector --config FILE`, `inject --config FILE`), which holds for all
pods; a pod's annotation wins. Values of annotations are texts, so quote `"true"` and `"6380"`.
[injection.md](injection.md) tells what is added to a pod and what happens where an annotation cannot be followed.

The switch is `{INJECT}`: `"true"` or `"false"` (`enabled` and `disabled` too), as an annotation of the pod, else as
a label of the pod, else as a label of its namespace.

| Annotation | Value | Default | Meaning |
|---|---|---|---|
"""

_MIDDLE = """
Where one marked with * cannot be read nothing is injected: it decides which data the application sees, and a default
in its place would show it other features, or none, unnoticed. Of the others the default is used. Both are told in a
warning, an event and a metric.

## Only in the injector's settings

These have no annotation. Nor is there one for anything else of the security context.

| Setting | Value | Default | Meaning |
|---|---|---|---|
"""

_TAIL = f"""
## Set by the injector

| | |
|---|---|
| annotation `{STATUS}` | `injected` |
| annotation `{VERSION}` | the injector's version |
| label `{INJECTED_LABEL}` | `"true"`: what a PodMonitor selects |
"""


def as_markdown() -> str:
    """The page."""
    tenants = "".join(_row(option, option.annotation) for option in OPTIONS if not option.operator_only)
    operators = "".join(_row(option, option.name) for option in OPTIONS if option.operator_only)
    return _HEAD + tenants + _MIDDLE + operators + _TAIL


def _row(option: Option, name: str) -> str:
    default = f"`{option.default}`" if option.default is not None else "-"
    star = " *" if option.decides_data else ""
    return f"| `{name}`{star} | {option.form} | {default} | {option.help} |\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
