"""The tests must judge what users get: the installed wheel, not the files beside them."""

import importlib
import os
import sysconfig
from importlib.metadata import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = os.environ.get("TEST_INSTALLED_WHEEL") == "1"  # set by `make test`


@pytest.mark.skipif(not INSTALLED, reason="in-place run of a developer; `make test` runs the installed wheel")
@pytest.mark.parametrize("package", ["protocol", "policies", "sidecar"])
def test_packages_come_from_site_packages(package: str):
    """A module that setup.py forgot would be found in the working folder and missing for users."""
    found = Path(str(importlib.import_module(package).__file__))
    assert found.is_relative_to(sysconfig.get_path("platlib"))


@pytest.mark.skipif(not INSTALLED, reason="in-place run of a developer; `make test` runs the installed wheel")
def test_the_wheel_has_what_is_needed_and_nothing_else():
    """The page and the types are in it; generated C, sources of Cython and tests are not."""
    names = [str(file) for file in files("feature-sidecar") or []]
    assert "sidecar/admin_page.html" in names
    modules = {
        str(Path(name).with_name(Path(name).name.split(".")[0])) for name in names if name.endswith((".py", ".so"))
    }
    sources = {
        str(path.relative_to(ROOT).with_suffix(""))
        for package in ("protocol", "policies", "sidecar")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".pyx")
    }
    assert modules == sources
    assert any(name.endswith(".pyi") for name in names)
    assert not [name for name in names if name.endswith((".c", ".pyx")) or name.startswith(("tests/", "examples/"))]
