"""The file that a sqlite:// URL names."""

from pathlib import Path
from urllib.parse import unquote

from sidecar.origins.errors import OriginSetupError


def path_of(url: str) -> Path:
    """``sqlite:///data/features.db`` is absolute, ``sqlite:///./features.db`` relative; ``%20`` is a space.

    Raises:
        OriginSetupError: it names a host, no file, options, or a file of the root directory, which is hardly meant.
    """
    rest = url.removeprefix("sqlite://")
    if not rest.startswith("/") or "?" in rest or "#" in rest:
        raise OriginSetupError(
            f"origin: found {url!r}, expected sqlite:///./features.db or sqlite:////data/features.db, without options"
        )
    name = unquote(rest)
    if name.startswith(("/./", "/../")):
        return Path(name[1:])
    if name.count("/") == 1:
        meant = name if name != "/" else "/features.db"
        raise OriginSetupError(
            f"origin: {url} names a file of the root directory: write sqlite:///.{meant} for one in the working"
            " directory, or the whole path"
        )
    return Path("/" + name.lstrip("/"))
