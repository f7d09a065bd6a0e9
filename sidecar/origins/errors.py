"""What the operator must mend before an origin can be opened."""


class OriginSetupError(Exception):
    """The origin's URL, file or credentials do not work; the text says what was found and what to do."""
