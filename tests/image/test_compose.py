"""examples/compose/compose.yaml with the image under test: its services run as they are written, a hit at the end.

`docker compose` itself is not needed: what this file uses of it is turned into words of `docker run`.
"""

from pathlib import Path
from typing import Any

import yaml
from image.base import REPOSITORY, Image
from image.test_image import health, wait

FILE = REPOSITORY / "examples/compose/compose.yaml"
KNOWN = {
    *("build", "image", "command", "entrypoint", "environment", "volumes", "tmpfs", "read_only", "cap_drop"),
    *("security_opt", "mem_limit", "network_mode", "depends_on"),
}


def words(service: dict[str, Any], network: str, folder: Path) -> tuple[list[str], list[str]]:
    """(options, command) of `docker run`; an unknown key ends the test, for it would be left out in silence."""
    assert set(service) <= KNOWN, set(service) - KNOWN
    options = [f"--network={network}"]
    options += [f"--env={name}={value}" for name, value in service.get("environment", {}).items()]
    for volume in service.get("volumes", []):
        source, _, rest = volume.partition(":")
        path = (FILE.parent / source).resolve() if source.startswith(".") else folder / source
        options.append(f"--volume={path}:{rest}")
    options += [f"--tmpfs={path}" for path in service.get("tmpfs", [])]
    options += ["--read-only"] if service.get("read_only") else []
    options += [f"--cap-drop={name}" for name in service.get("cap_drop", [])]
    options += [f"--security-opt={name}" for name in service.get("security_opt", [])]
    options += [f"--memory={service['mem_limit']}"] if "mem_limit" in service else []
    entrypoint, command = service.get("entrypoint", []), service.get("command", [])
    if entrypoint:
        options.append(f"--entrypoint={entrypoint[0]}")
    return options, [*entrypoint[1:], *command]


def test_the_sample_features_are_served(image: Image, folder_of_image_user: Path):
    """The sidecar gets healthy, the loader ends well, and the model's first command of the file's head is a hit."""
    services = yaml.safe_load(FILE.read_text())["services"]
    (folder_of_image_user / "features").mkdir(mode=0o777)
    (folder_of_image_user / "features").chmod(0o777)
    options, command = words(services["sidecar"], "none", folder_of_image_user)
    with image.engine.running(image.tag, *command, options=options) as sidecar:
        wait(lambda: health(image, sidecar) == 0, "never healthy")
        options, command = words(services["load"], f"container:{sidecar}", folder_of_image_user)
        image.engine("run", "--rm", *options, image.tag, *command, timeout_s=300)
        code = (
            "import redis\n"
            "r = redis.Redis(decode_responses=True)\n"
            "first = r.hmget('user:42', 'tier', 'ctr_7d')\n"
            "hits = r.info('stats')['keyspace_hits']\n"
            "assert r.hmget('user:42', 'tier', 'ctr_7d') == first\n"
            "print(*first, r.info('stats')['keyspace_hits'] - hits)"
        )
        alone = ["--rm", f"--network=container:{sidecar}", "--entrypoint=python"]
        assert image.engine("run", *alone, image.tag, "-c", code).stdout.split() == ["free", "0.01539", "2"]
