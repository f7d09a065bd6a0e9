from msgspec import Raw

def all_fields(members: dict[str, Raw]) -> dict[bytes, bytes]:
    """Every field that is not null, without reserved members."""

def some_fields(members: dict[str, Raw], fields: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """Those of ``fields`` that are there and not null."""

def has_fields(members: dict[str, Raw]) -> bool:
    """Whether ``all_fields`` would find any."""

def is_null(raw: Raw | None) -> bool:
    """Whether a member is not there for clients: None, or JSON null."""
