"""Parts of a string that only a deployment knows, kept inside the string until a question depends on them."""

import re

_OPEN, _CLOSE = "\x00", "\x01"
UNKNOWN = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")


def unknown(what: str) -> str:
    """A stand-in for a value that a template does not tell, such as an attribute of a custom resource."""
    return _OPEN + what.replace(_OPEN, "").replace(_CLOSE, "") + _CLOSE


def is_unknown(value: object) -> bool:
    """Whether any part of a value is unknown."""
    if isinstance(value, str):
        return _OPEN in value
    if isinstance(value, dict):
        return any(is_unknown(k) or is_unknown(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return any(is_unknown(item) for item in value)
    return False


def readable(text: str) -> str:
    """The string for people: unknown parts in angle brackets."""
    return UNKNOWN.sub(lambda found: f"<{found[1]}>", text)
