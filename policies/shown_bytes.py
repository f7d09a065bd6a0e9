"""Keys and fields for people: text where they are text, escapes where they are not."""


def show_bytes(raw: bytes) -> str:
    """Printable UTF-8 as it is; every other byte as ``\\xNN``."""
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """A character that does not print, byte by byte."""
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
