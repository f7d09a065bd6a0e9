from typing_extensions import disjoint_base

@disjoint_base
class RequestWindow:
    """Storage of the parser; only C code uses it."""
