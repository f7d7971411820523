"""Each fault in the table, put into the good template, breaks the promise that is named beside it."""

import json

import pytest

from tests.access.conftest import WorldOf
from tests.access.faults import FAULTS
from tests.access.promises import PROMISES, REVOCATION
from tests.access.town import FLAGS, OURS, Body
from tests.access.world import World

GRID = [pytest.param(flags, marks=pytest.mark.xdist_group(flags)) for flags in FLAGS]


def good(world_of: WorldOf, flags: str, *, revoked: bool) -> World:
    return world_of(flags, revoked=revoked, places=(OURS,))


@pytest.mark.parametrize("flags", GRID)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught(world_of: WorldOf, name: str, flags: str) -> None:
    fault = FAULTS[name]
    faulty = good(world_of, flags, revoked=fault.revoked).mutable()
    fault.change(faulty)
    with pytest.raises(AssertionError):
        {**PROMISES, **REVOCATION}[fault.promise](faulty)


@pytest.mark.parametrize("flags", GRID)
def test_the_template_without_a_fault_keeps_every_promise_that_a_fault_breaks(world_of: WorldOf, flags: str) -> None:
    promises = {**PROMISES, **REVOCATION}
    for promise, revoked in {(fault.promise, fault.revoked) for fault in FAULTS.values()}:
        promises[promise](good(world_of, flags, revoked=revoked))


@pytest.mark.parametrize("flags", GRID)
def test_no_two_faults_are_the_same(world_of: WorldOf, flags: str) -> None:
    seen: dict[str, str] = {}
    for name, fault in FAULTS.items():
        without = good(world_of, flags, revoked=fault.revoked)
        faulty = without.mutable()
        fault.change(faulty)
        changed = difference(without.body, faulty.body)
        assert changed, f"{name} changes nothing"
        text = json.dumps([fault.revoked, changed], sort_keys=True)
        assert text not in seen, f"{name} is {seen[text]}"
        seen[text] = name


def difference(before: Body, after: Body) -> Body:
    """Sections and resources that are not as they were; None for what is gone."""
    old, new = before["Resources"], after["Resources"]
    others = {*before, *after} - {"Resources"}
    found = {name: after.get(name) for name in others if before.get(name) != after.get(name)}
    return found | {name: new.get(name) for name in {*old, *new} if old.get(name) != new.get(name)}


def test_there_are_many_and_every_promise_is_tried() -> None:
    """A promise that no fault breaks would perhaps hold vacuously."""
    assert len(FAULTS) >= 60
    tried = {fault.promise for fault in FAULTS.values()}
    assert not (set(PROMISES) | set(REVOCATION)) ^ tried
