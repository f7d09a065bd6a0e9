"""Where the data lives: one interface, an origin for each kind of URL."""

from sidecar.origins.errors import OriginSetupError
from sidecar.origins.opening import open_origin

__all__ = ["OriginSetupError", "open_origin"]
