"""Commands about the server: CONFIG GET, MEMORY USAGE, FLUSH*, COMMAND, SLOWLOG, LATENCY."""

from typing import Any

from protocol import errors
from protocol._glob import glob_match
from protocol.errors import CommandRejected
from protocol.replies import OK, ErrorReply, Reply
from sidecar.commands.arguments import integer
from sidecar.commands.config_view import config_view
from sidecar.commands.services import Handler, Services

FLUSH_REFUSED = ErrorReply(b"ERR FLUSHALL and FLUSHDB are refused by the policy (commands: {flush: refuse})")
BAD_SLOWLOG_COUNT = ErrorReply(b"ERR count should be greater than or equal to -1")


def config_get(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CONFIG GET pattern [pattern ...]"""
    patterns = [pattern.lower() for pattern in args[2:]]
    return {
        name: value
        for name, value in config_view(services.config).items()
        if any(glob_match(pattern, name) for pattern in patterns)
    }


def memory_usage(services: Services, session: Any, args: list[bytes]) -> Reply:
    """MEMORY USAGE key [SAMPLES count]: bytes held here, not at the origin."""
    words = args[3:]
    if len(words) % 2 or any(word.lower() != b"samples" for word in words[::2]):
        raise CommandRejected(errors.SYNTAX_ERROR)
    if any(integer(count) < 0 for count in words[1::2]):
        raise CommandRejected(errors.SYNTAX_ERROR)
    return services.store.bytes_of(args[2])


def flush(services: Services, session: Any, args: list[bytes]) -> Reply:
    """FLUSHALL [ASYNC | SYNC], FLUSHDB [ASYNC | SYNC]: empties the memory tier where the policy allows it."""
    if len(args) > 2 or (len(args) == 2 and args[1].lower() not in (b"async", b"sync")):
        raise CommandRejected(errors.SYNTAX_ERROR)
    if services.policy.current.flush != "memory":
        return FLUSH_REFUSED
    services.reads.flush_memory()
    return OK


def slowlog_get(services: Services, session: Any, args: list[bytes]) -> Reply:
    """SLOWLOG GET [count]: always empty, durations are metrics."""
    if len(args) > 3:
        raise CommandRejected(
            ErrorReply(b"ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.")
        )
    try:
        bad = len(args) == 3 and integer(args[2]) < -1
    except CommandRejected:
        bad = True
    if bad:
        raise CommandRejected(BAD_SLOWLOG_COUNT)
    return []


def slowlog_len(services: Services, session: Any, args: list[bytes]) -> Reply:
    """SLOWLOG LEN"""
    return 0


def slowlog_reset(services: Services, session: Any, args: list[bytes]) -> Reply:
    """SLOWLOG RESET"""
    return OK


def no_events(services: Services, session: Any, args: list[bytes]) -> Reply:
    """LATENCY LATEST, LATENCY HISTORY event: always empty, durations are metrics."""
    return []


def no_histograms(services: Services, session: Any, args: list[bytes]) -> Reply:
    """LATENCY HISTOGRAM [command ...]: always empty, durations are metrics."""
    return {}


def latency_reset(services: Services, session: Any, args: list[bytes]) -> Reply:
    """LATENCY RESET [event ...]: how many events were reset."""
    return 0


HANDLERS: dict[bytes, Handler] = {
    b"config|get": config_get,
    b"flushall": flush,
    b"flushdb": flush,
    b"latency|histogram": no_histograms,
    b"latency|history": no_events,
    b"latency|latest": no_events,
    b"latency|reset": latency_reset,
    b"memory|usage": memory_usage,
    b"slowlog|get": slowlog_get,
    b"slowlog|len": slowlog_len,
    b"slowlog|reset": slowlog_reset,
}
