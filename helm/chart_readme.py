"""Makes the chart's README.md from its values.yaml: ``python helm/chart_readme.py > helm/feature-sidecar/README.md``.

Every value is a row; a comment that begins with ``# --`` right above it is its meaning. A test fails when the page is
stale.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

CHART = Path(__file__).parent / "feature-sidecar"
_MARK = "# --"


def readme(chart: Path = CHART) -> str:
    """The page."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    text = (chart / "values.yaml").read_text()
    rows = "\n".join(_rows(yaml.compose(text), comments(text), ""))
    return _PAGE.format(about=about, rows=rows)


def comments(text: str) -> dict[int, str]:
    """The number of a line, from 0, to the ``# --`` comment right above it."""
    found: dict[int, str] = {}
    current: list[str] = []
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if stripped.startswith(_MARK):
            current = [stripped.removeprefix(_MARK).strip()]
        elif stripped.startswith("#") and current:
            current.append(stripped.lstrip("# "))
        else:
            if current and stripped:
                found[number] = " ".join(current)
            current = []
    return found


def _rows(node: yaml.MappingNode, meanings: dict[int, str], prefix: str) -> Iterator[str]:
    """A row for each value; a mapping that is described or empty has one of its own."""
    for key, value in node.value:
        name, meaning = prefix + key.value, meanings.get(key.start_mark.line, "")
        is_group = isinstance(value, yaml.MappingNode) and bool(value.value) and not value.flow_style
        if is_group:
            if meaning:
                yield f"| **`{name}`** | | {meaning} |"
            yield from _rows(value, meanings, name + ".")
        else:
            default = json.dumps(yaml.safe_load(yaml.serialize(value)))
            yield f"| `{name}` | `{default}` | {meaning} |"


_PAGE = """\
# {about[name]}

<!-- made by `make docs` from values.yaml; a test fails when it is stale -->

{about[description]}. Version {about[version]}, Kubernetes {about[kubeVersion]}.

```sh
helm install feature-sidecar helm/feature-sidecar --namespace feature-sidecar --create-namespace
```

installs the injector, an admission webhook that adds the sidecar to pods with the label
`feature-sidecar.io/inject: "true"`; [docs/kubernetes.md](../../docs/kubernetes.md) goes on from there. With
`injector.enabled: false` nothing runs: policies, monitoring and the named templates of `templates/_sidecar.tpl` remain,
to be included in your own charts, as [examples/helm-standalone](../../examples/helm-standalone) does.

No value is needed. An unknown one is refused, so is one of a wrong type (`values.schema.json`). Rendering the same
values gives the same bytes, so it fits GitOps tools: certificates are made by the injector or by cert-manager, never in
a template.

| Value | Default | Meaning |
|---|---|---|
{rows}
"""


if __name__ == "__main__":
    sys.stdout.write(readme())
