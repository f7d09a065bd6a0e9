"""What is judged when a simulation has ended: attempts at the origin, when the breaker opened and closed, goodput."""

from schedules.history import Violation

from chaos.simulation import Simulation

FEW_PER_S = 5.0  # calls: half-open probes
MOST_ATTEMPTS, ALLOWANCE = 1.1, 20  # documents beyond a tenth: the retry budget's reserve
OPEN_S, CLOSED_S = 1.0, 5.0
LEAST_GOODPUT = 0.8 * 0.9  # of the origin's capacity: 80% of what it gives before a queue begins to stand
WARM_UP_S = 5.0


def amplification(run: Simulation, window_s: int = 10) -> float:
    """Documents asked of the origin for each read that memory could not answer, in the worst window with an outage.

    Reads that a flight under way or an open breaker answered are misses too, as clients see it; how many documents were
    asked for each *flight* is what ``_judge_attempts`` looks at.
    """
    attempts: dict[int, int] = {}
    misses: dict[int, int] = {}
    for at_s, documents in run.origin.attempts:
        attempts[int(at_s)] = attempts.get(int(at_s), 0) + documents
    for each in run.asked:
        misses[int(each.began_s)] = misses.get(int(each.began_s), 0) + 1
    worst = 0.0
    for first in range(int(run.fault.begins_s), max(int(run.fault.begins_s), int(run.fault.ends_s) - window_s) + 1):
        seconds = range(first, first + window_s)
        asked = sum(attempts.get(second, 0) for second in seconds)
        worst = max(worst, asked / max(1, sum(misses.get(second, 0) for second in seconds)))
    return worst


def opens_after_s(run: Simulation) -> float:
    """From the fault's beginning until calls come no oftener than probes, over half a second."""
    calls = [at_s for at_s, _ in run.origin.attempts]
    at_s = run.fault.begins_s
    while at_s < run.fault.ends_s:
        if sum(at_s <= call < at_s + 0.5 for call in calls) <= FEW_PER_S / 2:
            return at_s - run.fault.begins_s
        at_s += 0.05
    return float("inf")


def closes_after_s(run: Simulation) -> float:
    """From the fault's end until nine of ten reads succeed, over half a second; 0 where memory answers all."""
    at_s = run.fault.ends_s
    while at_s + 0.5 <= run.length_s:
        causes = [each.cause for each in run.asked if at_s <= each.began_s < at_s + 0.5]
        if not causes or sum(cause is None for cause in causes) >= 0.9 * len(causes):
            return at_s - run.fault.ends_s
        at_s += 0.05
    return float("inf")


def judge(run: Simulation) -> None:
    """What must hold of every simulation.

    Raises:
        Violation: a promise was broken.
    """
    _judge_attempts(run)
    fault = run.fault
    if fault.is_total and fault.ends_s - fault.begins_s > 2 and opens_after_s(run) > OPEN_S:
        raise Violation(
            f"the breaker opened {opens_after_s(run):.2f} s after the origin was gone, not within {OPEN_S} s"
        )
    if run.load < 1 and fault.ends_s + CLOSED_S + 0.5 <= run.length_s and closes_after_s(run) > CLOSED_S:
        raise Violation(f"all was well {closes_after_s(run):.2f} s after the fault, not within {CLOSED_S} s")
    if run.load > 1 and fault.name == "none" and run.limits == (0, 0, 0, 0):
        _judge_goodput(run)


def _judge_attempts(run: Simulation, window_s: int = 10) -> None:
    """In every ten seconds the origin is asked at most 1.1 times for what was wanted of it."""
    attempts: dict[int, int] = {}
    for at_s, documents in run.origin.attempts:
        attempts[int(at_s)] = attempts.get(int(at_s), 0) + documents
    for first in range(max(1, int(run.length_s) - window_s + 2)):
        wanted = sum(run.wanted[second] for second in range(first - 1, first + window_s))  # sent a moment after
        asked = sum(attempts.get(second, 0) for second in range(first, first + window_s))
        if asked > MOST_ATTEMPTS * wanted + ALLOWANCE:
            raise Violation(f"the origin was asked for {asked} documents where {wanted} were wanted")


def _judge_goodput(run: Simulation) -> None:
    """More than the origin can do does not make it do less."""
    answered = sum(each.cause is None and each.began_s >= WARM_UP_S for each in run.asked)
    goodput = answered / (run.length_s - WARM_UP_S)
    if goodput < LEAST_GOODPUT * run.origin.capacity_per_s:
        raise Violation(f"{goodput:.0f} answers a second of an origin that can give {run.origin.capacity_per_s:.0f}")
