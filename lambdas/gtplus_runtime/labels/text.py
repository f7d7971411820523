"""Texts of others, as our files and the table can hold them."""

NAME_LENGTH = 80
"""Characters of a name: it becomes a key in the batch's item, which is bounded."""


def text_of(text: str) -> str:
    """A text that UTF-8 can write: a lone surrogate, which JSON can name, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def short(name: str) -> str:
    """A name that is never empty and fits a key of the batch's item."""
    name = name or "(empty)"
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 3] + "..."
