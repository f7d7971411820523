"""What a fault is."""

from typing import NamedTuple

from tests.access.mutations import Change


class Fault(NamedTuple):
    """One thing that is wrong.

    Attributes:
        name: what is wrong.
        promise: the name of the promise that it breaks.
        change: makes it so.
        revoked: whether it is put into the template whose projects are revoked.
    """

    name: str
    promise: str
    change: Change
    revoked: bool = False
