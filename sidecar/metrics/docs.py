"""``python -m sidecar.metrics.docs > docs/metrics.md``: the page made from the catalog."""

from sidecar.metrics.catalog import as_markdown

if __name__ == "__main__":
    print(as_markdown(), end="")
