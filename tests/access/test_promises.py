"""The good template keeps every promise, with each set of feature flags, revoked or not."""

import pytest

from tests.access.conftest import WorldOf
from tests.access.promises import PROMISES, REVOCATION
from tests.access.town import FLAGS, OURS

WITNESSES = (OURS, "the app's, without a key", "imported, the key imported")
"""Enough kinds of bucket for what has been asked of all of them one by one."""
GRID = [pytest.param(flags, marks=pytest.mark.xdist_group(flags)) for flags in FLAGS]


@pytest.mark.parametrize("flags", GRID)
@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("revoked", [False, True], ids=["as granted", "revoked"])
def test_is_kept(world_of: WorldOf, promise: str, flags: str, revoked: bool) -> None:
    PROMISES[promise](world_of(flags, revoked=revoked, places=WITNESSES))


@pytest.mark.parametrize("flags", GRID)
@pytest.mark.parametrize("promise", REVOCATION)
def test_of_a_revocation_is_kept(world_of: WorldOf, promise: str, flags: str) -> None:
    REVOCATION[promise](world_of(flags, revoked=True, places=WITNESSES))
    if "neighbour" not in promise:
        with pytest.raises(AssertionError):
            REVOCATION[promise](world_of(flags, places=WITNESSES))
