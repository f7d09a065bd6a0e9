"""Liveness and readiness. Neither follows the origin: an origin outage must not empty every Service."""

from dataclasses import dataclass


@dataclass(slots=True)
class Health:
    """What /readyz looks at; ``sidecar.server`` sets it.

    Liveness needs no state: that /healthz is answered shows that the loop turns.

    Attributes:
        accepting: the client sockets listen.
        policy_loaded: the policy given at start is in force.
        warmed_up: the warm-up is done or out of time.
        draining: the process is on its way out.
    """

    accepting: bool = False
    policy_loaded: bool = False
    warmed_up: bool = False
    draining: bool = False

    @property
    def ready(self) -> bool:
        """Whether traffic may come."""
        return not self.reasons()

    def reasons(self) -> list[str]:
        """Why traffic may not come, in words; empty: ready."""
        reasons = []
        if self.draining:
            reasons.append("draining")
        if not self.policy_loaded:
            reasons.append("the policy is not loaded yet")
        if not self.accepting:
            reasons.append("not listening yet")
        if not self.warmed_up:
            reasons.append("warming up")
        return reasons
