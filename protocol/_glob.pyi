def glob_match(pattern: bytes, text: bytes) -> bool:
    """Whether a Redis glob matches, exactly as Redis 7.4 would say; work is at most pattern times text."""
