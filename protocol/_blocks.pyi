def blocks_in_use() -> int:
    """Blocks that buffers hold: 0 when no reply waits, which tests assert."""
