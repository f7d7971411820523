"""What a batch costs, counted on the machine as it would be deployed; the page `docs/cost.md` says the same."""

from typing import Any, TypeAlias

import pytest

from gtplus_constructs._definition import after, batch_definition, on
from gtplus_runtime.lifecycle import BATCH
from tests.template.conftest import ROOT

States: TypeAlias = dict[str, Any]

PRICE = 0.025 / 1_000
"""Dollars a state transition, Standard workflow, us-east-1: aws.amazon.com/step-functions/pricing, November 2026."""
REVIEWED = [
    "Request submitted",
    "Data transfer in progress",
    "Data received",
    "In progress",
    "Ready for review",
    "Review submission in progress",
    "Review complete",
    "Accepted",
    "Ready for delivery",
    "Data delivered",
]
DIRECT = [*REVIEWED[:5], *REVIEWED[7:]]
REWORKED = [*REVIEWED[:5], "Rejected", "Sent for rework", "Ready for review", *REVIEWED[7:]]
LOOK = 3
"""Transitions of a look of a machine that polls: wait, ask, choose."""
HISTORY = 25_000
"""Events that a history may have: "Quotas for AWS Step Functions"."""


@pytest.fixture(scope="module")
def states() -> States:
    handlers = dict.fromkeys(BATCH.statuses, "arn:aws:lambda:us-east-1:111122223333:function:x")
    states: States = batch_definition(BATCH, handlers=handlers, table="T", version="1")["States"]
    return states


def transitions(states: States, statuses: list[str]) -> int:
    """How many states an execution enters on the way; a way that the machine does not have fails."""
    at, entered = "Start", 1
    for status in statuses:
        assert states[at]["Type"] == "Choice"
        assert on(status) in [branch["Next"] for branch in states[at]["Choices"]], f"{at} does not lead to {status}"
        park = states[on(status)]["Next"]
        assert park == status
        entered += 2
        if "Next" in states[park]:
            at = states[park]["Next"]
            assert at == after(BATCH[status])
            entered += 1
        else:
            assert states[park]["End"] is True
            assert status == statuses[-1]
    return entered


def polled(days: int, every_seconds: int) -> int:
    return LOOK * days * 24 * 3_600 // every_seconds


def row(way: str, changes: int | None, count: int) -> str:
    price = f"${PRICE * count:.2f}" if count > 1_000 else f"${PRICE * count + 1e-9:.5f}"
    return f"| {way} | {'' if changes is None else f'{changes} '}| {count:,} | {price} |"


def test_the_page_says_what_the_machine_takes(states: States) -> None:
    direct, reviewed, reworked = (transitions(states, way) for way in (DIRECT, REVIEWED, REWORKED))
    per_change = reviewed // len(REVIEWED)
    rows = [
        row("the six steps of the service's own main line", 6, 6 * per_change),
        row("accepted without a review", len(DIRECT), direct),
        row("reviewed, accepted, delivered", len(REVIEWED), reviewed),
        row("each rework round", len(REWORKED) - len(DIRECT), reworked - direct),
        row("the same 14 days, polled each minute", None, polled(14, 60)),
        row("the same 14 days, polled every 30 seconds", None, polled(14, 30)),
    ]
    table = (ROOT / "docs" / "cost.md").read_text()
    assert [line for line in table.splitlines() if line.startswith("| ")][2:] == rows


def test_a_status_change_takes_three_transitions_at_the_most(states: States) -> None:
    for way in (DIRECT, REVIEWED, REWORKED):
        assert transitions(states, way) == 3 * len(way)


def test_nothing_in_the_machine_waits_by_the_clock(states: States) -> None:
    assert {state["Type"] for state in states.values()} == {"Choice", "Task", "Succeed", "Fail"}


def test_a_machine_that_polls_ends_at_the_quota_of_its_history() -> None:
    """As the page says: nine events a look, so the quota is met in the first two days."""
    looks = HISTORY // 9
    assert 22 < looks * 30 / 3_600 < 24
    assert 1 < looks * 60 / 86_400 < 2
