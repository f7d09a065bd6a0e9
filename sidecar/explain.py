"""/explain: why a key or field is answered as it is, from the policy and from what memory holds right now."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.admin import AdminServices


def explain(services: "AdminServices", key: bytes, field: bytes | None) -> dict[str, Any]:
    """The rule that applies, what memory holds, and what would happen to a read now."""
    policy = services.policy.current.explain(key, field)
    held = services.store.explain(key, field)
    return {
        "key": key,
        "field": field,
        "view": policy.view,
        "rule": policy.rule,
        "memory": held,
        "policy": {line.name: {"value": line.value, "source": line.source} for line in policy.lines},
        "document": policy.address._asdict(),
        "origin": services.misses.origin,
    }
