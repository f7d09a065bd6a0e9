"""``feature-sidecar prefetch show``: asks a running sidecar's admin port what it prefetches and what it learned."""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sidecar.prefetch.report import as_text

TIMEOUT_S = 10.0
OK, FAILED = 0, 1


def main(arguments: argparse.Namespace) -> int:
    """Ask and print; messages go to stderr."""
    try:
        told = _ask(arguments.admin, arguments.admin_token_file)
    except OSError as error:
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else str(error)
        print(
            f"feature-sidecar: found no answer at http://{arguments.admin}/prefetch ({reason}), expected a running "
            "sidecar's admin port: name it with --admin HOST:PORT, its token with --admin-token-file",
            file=sys.stderr,
        )
        return FAILED
    if arguments.export:
        print(told["feature_sets"])
    else:
        print(json.dumps(told, indent=2) if arguments.json else as_text(told))
    return OK


def _ask(admin: str, token_file: str | None) -> dict[str, Any]:
    headers = {}
    if token_file:
        headers["Authorization"] = f"Bearer {Path(token_file).read_text().strip()}"
    request = urllib.request.Request(f"http://{admin}/prefetch", headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        return dict(json.load(response))
