"""What readers get when the origin does not answer: deadlines, stale-if-error, nil, errors, backoff."""

from miss_path_world import World

from sidecar.fetch.answers import Unavailable
from sidecar.origins.base import ABSENT, Cause, Found, HashSet, OriginUnavailable, SetValue
from sidecar.resilience.deadline import Deadline

DOWN = OriginUnavailable(Cause.CONNECTION_REFUSED)
REFUSED = Unavailable(b"UNAVAILABLE the origin is down: connection refused", Cause.CONNECTION_REFUSED)
LATE = Unavailable(b"TIMEOUT the origin did not answer within 250ms", Cause.TIMEOUT)


def test_a_reader_is_answered_at_its_deadline():
    """The policy's budget, to the millisecond, however long the origin takes."""
    world = World()
    world.origin.delay_s = None
    answer = world.ask(b"k")
    world.pass_s(0.2499)
    assert answer == []
    world.pass_s(0.002)
    assert answer == [LATE]


def test_each_reader_of_a_flight_has_its_own_deadline():
    """A hurried reader goes without, a patient one gets the answer."""
    world = World()
    world.origin.delay_s = 0.2
    hurried = world.ask(b"k", deadline=Deadline.after(50, world.clock.now_ns()))
    patient = world.ask(b"k")
    world.pass_s(0.1)
    assert hurried == [Unavailable(b"TIMEOUT the origin did not answer within 50ms", Cause.TIMEOUT)]
    world.pass_s(0.15)
    assert patient == [ABSENT]


def test_the_batch_has_the_deadline_of_its_most_patient_reader():
    """One deadline is passed down, never restarted."""
    world = World()
    begun_ns = world.clock.now_ns()
    world.ask(b"quick:1")
    world.ask(b"k")
    world.pass_s(0.1)
    assert world.origin.deadlines == [Deadline.after(250, begun_ns)]


def test_an_entry_past_its_stale_window_is_served_while_the_origin_fails():
    """stale-if-error, up to its own end and not beyond."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"v"))
    world.fill(b"k")
    world.origin.broken = DOWN
    world.pass_s(16)
    assert world.memory(b"k") is None
    assert world.fill(b"k") == Found(b"v")
    world.pass_s(58)
    assert world.fill(b"k") == Found(b"v")
    world.pass_s(2)
    assert world.fill(b"k") == REFUSED


def test_an_unavailable_field_fails_the_command_unless_the_policy_says_nil():
    """on_unavailable: error makes the whole an error; nil serves the others."""
    for key, expected in ((b"h", REFUSED), (b"soft:1", Found({b"a": b"1"}, whole=False))):
        world = World(reads_whole=False)
        world.behind_our_back(HashSet(key, {b"a": b"1", b"b": b"2"}))
        world.fill(key, b"a")
        world.origin.broken = DOWN
        assert world.fill(key, b"a", b"b") == expected


def test_an_unavailable_string_is_nil_where_the_policy_says_so():
    """on_unavailable: nil for a whole document."""
    world = World()
    world.origin.broken = DOWN
    assert world.fill(b"soft:1") == ABSENT
    assert world.memory(b"soft:1") is None


def test_after_a_failed_read_others_are_answered_at_once():
    """For read_error_backoff nobody asks for that row; then one tries, and others ride along."""
    world = World()
    world.origin.broken = DOWN
    assert world.fill(b"k") == REFUSED
    assert world.ask(b"k") == [REFUSED]
    assert len(world.origin.reads) == 1
    world.pass_s(1)
    world.origin.broken = None
    first, second = world.ask(b"k"), world.ask(b"k")
    world.pass_s(0.01)
    assert first == second == [ABSENT]
    assert len(world.origin.reads) == 2


def test_while_one_tries_again_others_get_what_memory_may_still_serve():
    """A failing origin that hangs costs one reader its deadline, not all."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"v"))
    world.fill(b"k")
    world.pass_s(16)
    world.origin.broken = DOWN
    world.fill(b"k")
    world.pass_s(1)
    world.origin.delay_s = None
    trying, other = world.ask(b"k"), world.ask(b"k")
    assert (trying, other) == ([], [Found(b"v")])
    world.pass_s(0.3)
    assert trying == [Found(b"v")]
    assert len(world.origin.reads) == 3


def test_one_row_that_fails_does_not_fail_its_batch():
    """Failed is one document's fate."""
    world = World()
    world.origin.failing_keys = {b"bad"}
    bad, good = world.ask(b"bad"), world.ask(b"good")
    world.pass_s(0.01)
    assert bad == [Unavailable(b"UNAVAILABLE the origin is down: temporarily unable", Cause.BUSY)]
    assert good == [ABSENT]
    assert world.misses.requests["read", "failed"] == 1


def test_a_recovered_row_forgets_its_failure():
    """After one good read the next miss asks the origin again."""
    world = World()
    world.origin.broken = DOWN
    world.fill(b"k")
    world.pass_s(1)
    world.origin.broken = None
    assert world.fill(b"k") == ABSENT
    world.pass_s(3)
    assert world.fill(b"k") == ABSENT
    assert len(world.origin.reads) == 3


def test_misses_and_stale_answers_are_counted_once_each():
    """An answer from the origin or an error is a miss for each entry asked; stale-if-error is stale."""
    world = World()
    world.behind_our_back(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
    world.fill(b"h", b"a", b"b", b"c")
    assert world.counters.lookups_of(0) == {"hit": 0, "stale": 0, "miss": 3, "negative": 0}
    world.origin.broken = DOWN
    world.pass_s(16)
    world.fill(b"h", b"a", b"b")
    assert world.counters.lookups_of(0) == {"hit": 0, "stale": 2, "miss": 3, "negative": 0}
    world.fill(b"none")
    assert world.counters.lookups_of(0) == {"hit": 0, "stale": 2, "miss": 4, "negative": 0}
    world.origin.broken, world.origin.delay_s = None, 0.2
    world.ask(b"late", deadline=Deadline.after(50, world.clock.now_ns()))
    world.pass_s(1)  # answered at its deadline, and not again when the origin is done
    assert world.counters.lookups_of(0) == {"hit": 0, "stale": 2, "miss": 5, "negative": 0}


def test_a_reader_that_ran_into_its_deadline_counts_as_a_failed_read():
    """The next is answered at once, not after another deadline."""
    world = World()
    world.origin.delay_s = None
    world.ask(b"k")
    world.pass_s(0.26)
    assert world.ask(b"k") == [LATE]


def test_readers_held_back_by_a_flight_that_fails_are_answered_at_once():
    """They do not try one after the other."""
    world = World()
    world.origin.broken = DOWN
    world.ask(b"k")
    world.now()
    world.reads.invalidate([b"k"])
    late = world.ask(b"k")
    world.pass_s(0.01)
    assert late == [REFUSED]
    assert len(world.origin.reads) == 1


def test_a_patient_reader_prolongs_a_flight_that_was_not_sent_yet():
    """The origin may take as long as the most patient of its readers."""
    world = World()
    begun_ns = world.clock.now_ns()
    world.ask(b"quick:1")
    world.ask(b"quick:1", deadline=Deadline.after(500, begun_ns))
    world.pass_s(0.1)
    assert world.origin.deadlines == [Deadline.after(500, begun_ns)]
