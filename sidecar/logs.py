"""Structured logs: one event a line, as JSON for machines or aligned text for people, on stderr.

Built on the standard library's logging, so that what asyncio and the Couchbase SDK log comes out the same way.
(structlog was measured and left out: its import brings rich with it, 47 ms and 6 MB before the first client.)

Log a change of state once, with key=value fields; hits are counted, never logged. Secrets are wrapped in
``sidecar.secret.Secret``, whose text form hides them, so a secret passed by mistake is not written.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import orjson

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "console")
_ROOT = "feature_sidecar"
_NUMBERS = {name: getattr(logging, name.upper()) for name in LEVELS}


class Logger:
    """Logs events of one component: ``log.info("policy_reloaded", generation=3)``."""

    __slots__ = ("_logger",)

    def __init__(self, component: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{component}")

    def debug(self, event: str, **fields: object) -> None:
        """Detail for someone who is looking for a cause."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """A change of state that is as it should be."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something an operator should look at; service goes on."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, *, exc_info: bool | BaseException = False, **fields: object) -> None:
        """Something failed. ``exc_info`` adds the traceback: for our own bugs, not for a failing origin."""
        self._log(logging.ERROR, event, fields, exc_info)

    def _log(self, level: int, event: str, fields: dict[str, object], exc_info: bool | BaseException = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={"fields": fields}, exc_info=exc_info or None)


def logger(component: str) -> Logger:
    """The logger of a component; cheap, made once per module."""
    return Logger(component)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, event, component, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": _timestamp(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "component": _component(record),
        }
        for name, value in getattr(record, "fields", {}).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=_text, option=orjson.OPT_NON_STR_KEYS).decode()


class ConsoleFormatter(logging.Formatter):
    """Time, level, component and event, then key=value: for reading in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={_readable(value)}" for name, value in getattr(record, "fields", {}).items())
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = f"{clock} {record.levelname.lower():<7} {_component(record):<10} {record.getMessage()}"
        if fields:
            line += f"  {fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure(level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Send every logger of the process to ``stream`` (stderr) in one form; calling again replaces the first.

    Args:
        level: one of LEVELS, for our own events; libraries are heard from warning up.
        form: one of FORMATS.
        stream: where to; tests give their own.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(_NUMBERS[level], logging.WARNING))
    logging.getLogger(_ROOT).setLevel(_NUMBERS[level])


def _component(record: logging.LogRecord) -> str:
    """Our component's name, or the library that spoke."""
    return record.name.removeprefix(_ROOT + ".")


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    """What JSON has no form for: bytes (keys may be binary) and anything else by its text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _readable(value: object) -> str:
    text = _text(value)
    return text if text and " " not in text and "=" not in text and text.isprintable() else repr(text)
