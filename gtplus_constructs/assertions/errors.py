"""The one exception for what the engine refuses to judge."""


class NotModelled(Exception):
    """A question depends on something that the engine does not model, so it does not guess.

    Attributes:
        what: What is not modelled.
        where: The place of it: template, logical id, statement.
    """

    def __init__(self, what: str, where: str = "") -> None:
        self.what = what
        self.where = where
        super().__init__(f"{what}\n  at {where}" if where else what)

    def at(self, where: str) -> "NotModelled":
        """The same doubt with its place, unless it has one already."""
        return self if self.where else NotModelled(self.what, where)
