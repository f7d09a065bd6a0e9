"""Field lists of HMGET that clients repeat are found by their bytes and not parsed again."""

from resp_requests import request

from protocol import FieldLists, Session


def asked(session: Session, *args: bytes) -> int:
    """Send one command, check that it comes out as it went in, and tell which remembered list it had."""
    session.feed(request(*args))
    assert session.next_command() == list(args)
    list_id = session.list_id
    assert session.next_command() is None
    return list_id


def fields(number: int, count: int = 6) -> list[bytes]:
    return [b"f%d_%d" % (number, at) for at in range(count)]


def test_a_list_enters_when_seen_twice_and_serves_every_session():
    """The third time the list is found, for another key and connection too, whatever the case of the name."""
    lists = FieldLists()
    one, other = Session(lists=lists), Session(lists=lists)
    assert asked(one, b"HMGET", b"a", *fields(1)) == 0
    assert asked(one, b"hmget", b"b", *fields(1)) == 0
    assert lists.known == 1
    found = asked(other, b"HmGeT", b"c", *fields(1))
    assert found > 0
    assert asked(one, b"HMGET", b"", *fields(1)) == found
    assert asked(one, b"HMGET", b"a", *fields(2)) == 0


def test_only_the_same_bytes_match():
    """A list with another last field, another count or the same bytes under another command is parsed."""
    session = Session()
    known = fields(1, 60)
    for _ in range(2):
        asked(session, b"HMGET", b"k", *known)
    assert asked(session, b"HMGET", b"k", *known) > 0
    assert asked(session, b"HMGET", b"k", *known[:-1], b"f1_58") == 0
    assert asked(session, b"HMGET", b"k", *known, b"more") == 0
    assert asked(session, b"HMGET", b"k", *known[:-1]) == 0
    assert asked(session, b"HDELX", b"k", *known) == 0
    assert asked(session, b"MGET", b"k", *known) == 0


def test_short_lists_are_not_remembered():
    """Three fields are parsed as fast as they are found."""
    session = Session()
    for _ in range(4):
        assert asked(session, b"HMGET", b"k", *fields(1, 3)) == 0


def test_a_list_that_comes_in_pieces_is_parsed_and_behind_it_the_stream_goes_on():
    """A known list cut anywhere gives the same command, and the next one starts where it should."""
    lists = FieldLists()
    session = Session(lists=lists)
    whole, ping = request(b"HMGET", b"k", *fields(1)), request(b"PING")
    for at in range(len(whole) - 1, 0, -1):
        session.feed(ping + whole[:at])
        assert session.next_command() == [b"PING"]
        assert session.next_command() is None
        session.feed(whole[at:] + ping)
        assert session.next_command() == [b"HMGET", b"k", *fields(1)]
        assert session.next_command() == [b"PING"]
        assert session.next_command() is None
    assert lists.known == 1
    assert asked(session, b"HMGET", b"k", *fields(1)) > 0


def test_memory_is_bounded_and_new_lists_still_enter():
    """More lists than places: the least used go, their ids never come back, and what is in use stays."""
    lists = FieldLists()
    session = Session(lists=lists)
    for _ in range(2):
        asked(session, b"HMGET", b"k", *fields(0))
    favourite = asked(session, b"HMGET", b"k", *fields(0))
    ids = {favourite}
    for number in range(1, 2000):
        for _ in range(2):
            asked(session, b"HMGET", b"k", *fields(number))
        new = asked(session, b"HMGET", b"k", *fields(number))
        assert new == 0 or new not in ids
        ids.add(new)
        assert asked(session, b"HMGET", b"k", *fields(0)) == favourite
        lists.free_retired()
    assert len(ids) > 1000
    assert lists.known == 256


def test_lists_that_fell_out_of_use_make_room():
    """Yesterday's favourites do not keep their places for ever: the new model's lists replace them."""
    lists = FieldLists()
    session = Session(lists=lists)
    favourites = [fields(number) for number in range(600)]
    for _ in range(60):
        for favourite in favourites:
            asked(session, b"HMGET", b"k", *favourite)
    lists.free_retired()
    for number in range(1000, 4000):
        for _ in range(3):
            asked(session, b"HMGET", b"k", *fields(number))
        lists.free_retired()
    remembered = [asked(session, b"HMGET", b"k", *favourite) > 0 for favourite in favourites]
    assert sum(remembered) < 30


def test_a_list_in_use_outlives_its_place():
    """Until free_retired nothing is freed: without it replacement stops, and commands still come out right."""
    lists = FieldLists()
    session = Session(lists=lists)
    for number in range(1500):
        for _ in range(3):
            asked(session, b"HMGET", b"k", *fields(number))
    assert lists.known == 256


def test_long_lists_are_left_out():
    """A list over 16 KiB or 1024 fields is parsed each time and not kept."""
    lists = FieldLists()
    session = Session(lists=lists)
    for _ in range(3):
        assert asked(session, b"HMGET", b"k", *[b"x" * 5000] * 4) == 0
        assert asked(session, b"HMGET", b"k", *fields(1, 1025)) == 0
    assert lists.known == 0
