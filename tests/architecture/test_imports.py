"""Imports go down only: which package may import which, read from `import` and `cimport` lines alike."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocol", "policies", "sidecar")

# Layers of sidecar, lowest first: a module may import from its own layer and those below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "sidecar.address",
        "sidecar.cgroup",
        "sidecar.clock",
        "sidecar.descriptors",
        "sidecar.health",
        "sidecar.healthcheck",
        "sidecar.listening_socket",
        "sidecar.logs",
        "sidecar.policy_status",
        "sidecar.snapshot_status",
        "sidecar.resilience",
        "sidecar.secret",
    ),
    ("sidecar.flags", "sidecar.config", "sidecar.metrics", "sidecar.settings_docs"),
    ("sidecar.injector",),
    ("sidecar.origins",),
    ("sidecar.memory",),
    ("sidecar.fetch",),
    ("sidecar.prefetch",),
    ("sidecar.commands", "sidecar.load", "sidecar.load_rows", "sidecar.snapshot"),
    ("sidecar.net",),
    (
        "sidecar.active_policy",
        "sidecar.admin",
        "sidecar.explain",
        "sidecar.maintenance",
        "sidecar.overview",
        "sidecar.prefetch_show",
    ),
    ("sidecar.server",),
    ("sidecar.cli",),
)


def sources() -> list[Path]:
    """Every module, Python and Cython."""
    found = [p for name in PACKAGES for p in (ROOT / name).rglob("*") if p.suffix in (".py", ".pyx", ".pxd", ".pyi")]
    return sorted(found)


def module_of(path: Path) -> str:
    """Its dotted name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_by(path: Path) -> Iterator[str]:
    """Dotted names that a module imports when it is loaded or run; what only type checkers see is left out."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".pyx", ".pxd"):
        for line in text.splitlines():
            if match := re.match(r"\s*from\s+([\w.]+)\s+c?import\s+(.*)", line):
                yield from (f"{match[1]}.{name}" for name in re.findall(r"(?:^|,)\s*(\w+)", match[2].split("#")[0]))
                yield match[1]
            elif match := re.match(r"\s*c?import\s+([\w., ]+)", line):
                yield from (name.split(" as ")[0].strip() for name in match[1].split(","))
        return
    typing_only: set[int] = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only |= {id(child) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)


def layer_of(name: str) -> int | None:
    """The layer of a dotted name; None: not one of ours."""
    for number, layer in enumerate(LAYERS):
        if any(name == member or name.startswith((member + ".", member + "_")) for member in layer):
            return number
    return None


@pytest.mark.parametrize("package", ["protocol", "policies"])
def test_protocol_and_policies_know_neither_each_other_nor_the_sidecar(package: str):
    """Both can be read, tested and used on their own."""
    others = tuple(name for name in PACKAGES if name != package)
    seen = 0
    for path in sources():
        if module_of(path).split(".")[0] != package:
            continue
        seen += 1
        wrong = [name for name in imported_by(path) if name.split(".")[0] in others]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"
    assert seen > 5


def test_modules_of_the_sidecar_import_downwards_only():
    """No module imports from a layer above its own; only server.py knows all parts."""
    seen = 0
    for path in sources():
        name = module_of(path)
        if not name.startswith("sidecar."):
            continue
        own = layer_of(name)
        assert own is not None, f"{name} belongs to no layer: add it to LAYERS where it fits"
        for imported in imported_by(path):
            other = layer_of(imported)
            if other is not None:
                seen += 1
                assert other <= own, f"{path.relative_to(ROOT)} imports {imported} from a layer above"
    assert seen > 50


def test_the_reader_of_imports_sees_both_kinds(tmp_path: Path):
    """The tests above must not pass because nothing was read."""
    (tmp_path / "a.pyx").write_text("from sidecar.net._poller cimport Poller, Other\ncimport policies._table\n")
    assert {"sidecar.net._poller.Poller", "sidecar.net._poller.Other", "policies._table"} <= set(
        imported_by(tmp_path / "a.pyx")
    )
    (tmp_path / "a.py").write_text("def f():\n    from sidecar.server import main\n    import policies.table as t\n")
    assert {"sidecar.server", "policies.table"} <= set(imported_by(tmp_path / "a.py"))


def test_nothing_in_protocol_waits_sleeps_logs_or_reads_a_clock():
    """Sans-IO: bytes in, bytes out."""
    forbidden = {"asyncio", "socket", "time", "logging", "threading", "selectors", "uvloop"}
    for path in sources():
        if path.relative_to(ROOT).parts[0] == "protocol":
            wrong = {name for name in imported_by(path) if name.split(".")[0] in forbidden}
            assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_the_miss_path_is_free_of_uvloop_and_prometheus():
    """Its tests run it on a loop of virtual time, and counting is not its libraries' business."""
    for path in sources():
        if path.relative_to(ROOT).parts[:2] in (("sidecar", "fetch"), ("sidecar", "origins"), ("sidecar", "commands")):
            wrong = [name for name in imported_by(path) if name.split(".")[0] in ("uvloop", "prometheus_client")]
            assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"
