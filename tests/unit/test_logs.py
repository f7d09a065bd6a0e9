"""Log lines: JSON for machines, text for people, and no secret in either."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from sidecar import logs
from sidecar.secret import Secret


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The test runner's own handlers come back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines_of(form: str, level: str = "info") -> io.StringIO:
    """Configured to write here."""
    stream = io.StringIO()
    logs.configure(level, form, stream)
    return stream


def test_an_event_is_one_json_object_a_line():
    """Time, level, event and component first, then the event's own fields."""
    stream = lines_of("json")
    logs.logger("policy").info("policy_loaded", generation=3, file=None)
    line = json.loads(stream.getvalue())
    assert list(line) == ["ts", "level", "event", "component", "generation", "file"]
    assert (line["level"], line["event"], line["component"], line["generation"]) == (
        "info",
        "policy_loaded",
        "policy",
        3,
    )
    assert line["ts"].endswith("Z") and "T" in line["ts"]


def test_a_field_cannot_take_the_place_of_a_fixed_one():
    """`event` and `ts` are what collectors index by."""
    stream = lines_of("json")
    logs.logger("net").warning("cut_off", ts="x", level="y", component="z", reason="slow")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["component"], line["reason"]) == ("warning", "net", "slow")
    assert line["ts"] != "x"


def test_what_json_has_no_form_for_is_text():
    """Keys are bytes and may be binary; anything else has a text."""
    stream = lines_of("json")
    logs.logger("fetch").error("failed", key=b"user\xff", where=ValueError("x"))
    line = json.loads(stream.getvalue())
    assert (line["key"], line["where"]) == ("user\\xff", "x")


@pytest.mark.parametrize("form", logs.FORMATS)
def test_secrets_are_not_written(form: str):
    """A secret passed by mistake says only that it is one."""
    stream = lines_of(form)
    logs.logger("origin").info("connecting", password=Secret(b"hunter2"))
    assert "hunter2" not in stream.getvalue() and "hidden" in stream.getvalue()


def test_console_lines_are_for_reading():
    """No quotes around plain values; values with spaces have them."""
    stream = lines_of("console")
    logs.logger("server").info("serving", listen="tcp://127.0.0.1:1", why="two words", empty="")
    line = stream.getvalue()
    assert "server" in line and "serving" in line
    assert line.endswith("  listen=tcp://127.0.0.1:1 why='two words' empty=''\n")


def test_events_below_the_level_are_left_out():
    """debug is for looking for a cause; libraries are heard from warning up, whatever our level."""
    stream = lines_of("json", "debug")
    logs.logger("a").debug("detail")
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("slow callback")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["detail", "slow callback"]
    stream = lines_of("json", "warning")
    logs.logger("a").info("normal")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", logs.FORMATS)
def test_a_traceback_is_written_where_it_is_asked_for(form: str):
    """For our own bugs."""
    stream = lines_of(form)
    try:
        raise KeyError("gone")
    except KeyError as exc:
        logs.logger("server").error("internal_error", exc_info=exc)
    assert "Traceback" in stream.getvalue() and "gone" in stream.getvalue()


def test_configuring_again_replaces_the_first():
    """No event is written twice."""
    first, second = lines_of("json"), lines_of("json")
    logs.logger("a").info("once")
    assert first.getvalue() == "" and second.getvalue().count("once") == 1
