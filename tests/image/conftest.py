"""The image, built once for all of these tests: `make test-image`. Without TEST_IMAGE they are skipped."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from image.base import REPOSITORY, Image, NoBase, base
from image.engine import NoEngine, engine

CONTEXT = ("Dockerfile", ".dockerignore", "pyproject.toml", "setup.py", "README.md", "LICENSE")
PACKAGES = ("protocol", "policies", "sidecar")
TAG = "feature-sidecar:test"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Built as `make image` does, from a clean context."""
    if not os.environ.get("TEST_IMAGE"):
        pytest.skip("builds an image for minutes: make test-image")
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    context.mkdir()
    for name in CONTEXT:
        shutil.copy(REPOSITORY / name, context / name)
    for name in PACKAGES:
        shutil.copytree(REPOSITORY / name, context / name)
    (folder / "engine").mkdir()
    try:
        with engine(folder / "engine") as running:
            found = base(running, folder, context)
            running("build", "--tag", TAG, "--build-arg=REVISION=abc123", *found.options, str(context), timeout_s=1800)
            yield Image(running, found, TAG)
    except (NoEngine, NoBase) as exc:
        pytest.skip(str(exc))


@pytest.fixture
def folder_of_image_user(tmp_path: Path) -> Path:
    """A folder that the image's user may write, to be mounted."""
    tmp_path.chmod(0o777)
    return tmp_path
