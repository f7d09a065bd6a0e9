"""What the image is built from: BASE_IMAGE where it is set, else Debian by debootstrap, and wheels."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from image.engine import Engine

REPOSITORY = Path(__file__).parents[2]
SUITE = "bookworm"
RUNTIME = "python3,ca-certificates"
BUILD = f"{RUNTIME},python3-pip,python3-venv,python3-dev,gcc,libc6-dev,binutils"


class NoBase(Exception):
    """Nothing to build from; the text says what was looked for."""


class Base(NamedTuple):
    """Arguments of the build.

    Attributes:
        image: the base of the runtime stage.
        options: of the build.
    """

    image: str
    options: tuple[str, ...]


class Image(NamedTuple):
    """The image under test, by its tag, and what it was built from."""

    engine: Engine
    base: Base
    tag: str


def base(engine: Engine, folder: Path, context: Path) -> Base:
    """What there is to build from.

    Args:
        engine: where images go.
        folder: for root file systems.
        context: the build's context; wheels go into its ``wheelhouse``.

    Raises:
        NoBase: BASE_IMAGE is not set and debootstrap is not there.
    """
    given = os.environ.get("BASE_IMAGE")
    if given:
        return Base(given, (f"--build-arg=BASE_IMAGE={given}",))
    if shutil.which("debootstrap") is None:
        raise NoBase(
            "set BASE_IMAGE to an image that can be pulled, such as python:3.11-slim-bookworm, or install debootstrap"
        )
    _wheels(context / "wheelhouse")
    for name, packages in (("base", RUNTIME), ("build", BUILD)):
        _import(engine, folder / name, packages, f"feature-sidecar-{name}:{SUITE}")
    image, build = (f"feature-sidecar-{name}:{SUITE}" for name in ("base", "build"))
    arguments = (f"BASE_IMAGE={image}", f"BUILD_IMAGE={build}", "PIP_NO_INDEX=1")
    return Base(image, ("--network=none", *(f"--build-arg={argument}" for argument in arguments)))


def _import(engine: Engine, root: Path, packages: str, tag: str) -> None:
    """A minimal Debian as an image. The packages are kept between the two."""
    cache = root.parent / "packages"
    cache.mkdir(exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--cache-dir={cache}", f"--include={packages}", SUITE, str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        engine("import", "-", tag, stdin=tar.stdout.fileno(), timeout_s=300)
    assert tar.returncode == 0
    shutil.rmtree(root)


def _wheels(folder: Path) -> None:
    """The wheels of every dependency for this machine: inside the build there is no network."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["injector"],
        "async-timeout",  # of redis, for a Python before 3.11.3, as Debian's is
    ]
    folder.mkdir()
    command = [sys.executable, "-m", "pip", "--quiet", "download", "--only-binary=:all:", "--dest", str(folder)]
    subprocess.run([*command, *wanted], check=True, timeout=600)
