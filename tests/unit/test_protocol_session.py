"""A session's own state: authentication, RESET, closing."""

from resp_requests import request

from protocol import Session


def test_authentication_lifts_the_limits_of_strangers():
    """Before AUTH output pauses at 64 KiB, after it at 256 KiB; without a password nobody is a stranger."""
    stranger, friend = Session(needs_password=True), Session()
    assert (stranger.authenticated, stranger.pause_bytes) == (False, 64 * 1024)
    assert (friend.authenticated, friend.pause_bytes) == (True, 256 * 1024)
    stranger.authenticate()
    assert (stranger.authenticated, stranger.pause_bytes) == (True, 256 * 1024)


def test_reset_puts_the_session_into_its_first_state():
    """RESP2, no name, out of MULTI; authentication stays only where no password is set."""
    for needs_password in (False, True):
        session = Session(7, needs_password=needs_password)
        session.authenticate()
        session.proto, session.name, session.queue, session.queue_failed = 3, b"me", [[b"GET", b"k"]], True
        session.no_evict = session.no_touch = True
        session.lib_name = b"lib"
        session.reset()
        assert (session.proto, session.name, session.queue, session.queue_failed) == (2, b"", None, False)
        assert not (session.no_evict or session.no_touch)
        assert session.authenticated is not needs_password
        assert (session.id, session.lib_name) == (7, b"lib")


def test_reset_keeps_what_was_already_received():
    """Commands behind RESET in one packet are still parsed."""
    session = Session()
    session.feed(request(b"RESET") + request(b"PING"))
    assert session.next_command() == [b"RESET"]
    session.reset()
    assert session.next_command() == [b"PING"]


def test_a_closing_session_parses_nothing_more():
    """After QUIT commands that were already received are dropped; replies owed still leave."""
    session = Session()
    session.feed(request(b"QUIT") + request(b"SET", b"k", b"v"))
    assert session.next_command() == [b"QUIT"]
    slot = session.slots.open(2)
    session.closing = True
    assert session.next_command() is None
    session.slots.fill(slot, b"late")
    assert session.take_output() == b"$4\r\nlate\r\n"


def test_an_unread_command_comes_again():
    """A transport that stops at the output limit loses nothing, however often it stops and whatever the quoting."""
    session = Session()
    stream = (
        b"one 'a b' \"c\"\r\n" + request(b"two", b"x") + b"three 'd e' ' f '\n" + request(b"HMGET", *b"kabcdef".split())
    )
    session.feed(stream)
    for wanted in ([b"one", b"a b", b"c"], [b"two", b"x"], [b"three", b"d e", b" f "], [b"HMGET", b"kabcdef"]):
        for _ in range(300):
            assert session.next_command() == wanted
            session.unread()
        assert session.next_command() == wanted
    assert session.next_command() is None
    assert session.held_bytes <= 1024


def test_feeding_before_the_last_bytes_were_read_loses_nothing():
    """Several feeds in a row, then commands: the bytes are one stream."""
    session = Session()
    session.feed(request(b"A", b"1") + b"*1\r\n$1")
    assert session.next_command() == [b"A", b"1"]
    session.feed(b"\r\nB\r\n" + request(b"C"))
    session.feed(request(b"D"))
    session.feed(b"")
    session.feed(b"E 'x y'\r\n")
    assert list(iter(session.next_command, None)) == [[b"B"], [b"C"], [b"D"], [b"E", b"x y"]]
    assert not session.mid_request
