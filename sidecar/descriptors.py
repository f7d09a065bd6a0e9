"""The limit of file descriptors: each client is one."""

import resource

from sidecar.logs import logger

KEPT = 64  # not for clients: files, the admin port, the origin
_log = logger("server")


def raise_descriptor_limit(max_clients: int) -> int:
    """Raise RLIMIT_NOFILE to its hard limit; returns how many clients then fit, and says so when they are fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max_clients + KEPT
    limit = hard if hard != resource.RLIM_INFINITY else max(soft, wanted)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit >= wanted:
        return max_clients
    fit = max(1, limit - KEPT)
    _log.warning("max_clients_lowered", wanted=max_clients, max_clients=fit, descriptors=limit)
    return fit
