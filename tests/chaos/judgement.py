"""What is judged when a simulation has ended: how often the origin was asked, and how soon the breaker opened and closed."""

from chaos.simulation import Simulation

FEW_PER_S = 5.0  # calls: half-open probes
MOST_ATTEMPTS, ALLOWANCE = 1.1, 20  # documents beyond a tenth: the retry budget's reserve
OPEN_S, CLOSED_S = 1.0, 5.0
LEAST_GOODPUT = 0.8
WARM_UP_S = 5.0


def amplification(run: Simulation, window_s: int = 10) -> float:
    """Documents asked of the origin for each origin read that somebody wanted, in the worst window."""
    attempts: dict[int, int] = {}
    for at_s, documents in run.origin.attempts:
        attempts[int(at_s)] = attempts.get(int(at_s), 0) + documents
    last = max((*attempts, *run.wanted), default=0)
    worst = 0.0
    for first in range(0, max(1, last - window_s + 2)):
        seconds = range(first, first + window_s)
        wanted = sum(run.wanted[second] for second in seconds)
        worst = max(worst, sum(attempts.get(second, 0) for second in seconds) / max(1, wanted))
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
