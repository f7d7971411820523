"""Three-valued logic: what does not match, what may match, what matches.

A thing that is not modelled *may* match. An answer that holds either way is given; one that would hang on it
is refused. So an exotic statement somewhere in a stack costs nothing until a question depends on it.
"""

from collections.abc import Iterable
from enum import IntEnum


class Match(IntEnum):
    """Whether something matches; ``MAYBE`` is what is not modelled or not known."""

    NO = 0
    MAYBE = 1
    YES = 2


NO, MAYBE, YES = Match.NO, Match.MAYBE, Match.YES


def either(matches: Iterable[Match]) -> Match:
    """Whether any matches; no matches at all is ``NO``."""
    best = NO
    for match in matches:
        if match is YES:
            return YES
        if match is MAYBE:
            best = MAYBE
    return best


def every(matches: Iterable[Match]) -> Match:
    """Whether all match; no matches at all is ``YES``."""
    worst = YES
    for match in matches:
        if match is NO:
            return NO
        if match is MAYBE:
            worst = MAYBE
    return worst


def negate(match: Match) -> Match:
    """Whether it does not match."""
    return (YES, MAYBE, NO)[match]
