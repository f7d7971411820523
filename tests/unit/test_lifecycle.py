"""The statuses: those of the service by their names and ours marked, what follows what, and who may cause it."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.lifecycle import (
    BATCH,
    PEOPLE,
    PROJECT,
    TAKES_BATCHES,
    BatchStatus,
    Duty,
    Lifecycle,
    ProjectStatus,
    Status,
)

BATCH_STATUSES_OF_THE_SERVICE = {
    "Request submitted",
    "Data transfer in progress",
    "Data transfer failed",
    "Data received",
    "In progress",
    "Ready for review",
    "Review submission in progress",
    "Review complete",
    "Accepted",
    "Rejected",
    "Sent for rework",
    "Ready for delivery",
    "Data delivered",
    "Paused",
}
PROJECT_STATUSES_OF_THE_SERVICE = {
    "Review in progress",
    "Request approved",
    "Workflow design and setup in progress",
    "Pilot in progress",
    "Pilot complete",
    "Pricing complete",
    "Contract executed",
    "Production in progress",
    "Production complete",
    "Paused",
}
BATCH_ENDS = {"Data transfer failed", "Data delivered", "Cancelled"}
PROJECT_ENDS = {"Declined", "Closed"}
OPEN_BATCH = sorted(BATCH.statuses.keys() - BATCH_ENDS)

both = pytest.mark.parametrize("lifecycle", [BATCH, PROJECT], ids=["batch", "project"])
anybody = frozenset(Duty)


def reachable(lifecycle: Lifecycle, start: str, without: Iterable[str] = ()) -> set[str]:
    """Everything that can come after `start`, in one step or many."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for name in lifecycle[ahead.pop()].followers:
            if name not in found and name not in without:
                found.add(name)
                ahead.append(name)
    return found


@pytest.mark.parametrize(
    ("lifecycle", "of_the_service", "ours"),
    [
        (BATCH, BATCH_STATUSES_OF_THE_SERVICE, {"Cancelled"}),
        (PROJECT, PROJECT_STATUSES_OF_THE_SERVICE, {"Declined", "Closed"}),
    ],
    ids=["batch", "project"],
)
def test_has_the_statuses_of_the_service_and_marks_ours(
    lifecycle: Lifecycle, of_the_service: set[str], ours: set[str]
) -> None:
    assert {status.name for status in lifecycle if not status.ours} == of_the_service
    assert {status.name for status in lifecycle if status.ours} == ours


def test_the_service_has_14_batch_statuses_and_10_project_statuses() -> None:
    assert sum(not status.ours for status in BATCH) == 14
    assert sum(not status.ours for status in PROJECT) == 10


def test_the_enums_name_the_same_statuses_as_the_lifecycles() -> None:
    assert {str(status) for status in BatchStatus} == set(BATCH.statuses)
    assert {str(status) for status in ProjectStatus} == set(PROJECT.statuses)


@both
def test_everything_begins_at_the_first_status_and_every_other_can_be_reached_from_it(lifecycle: Lifecycle) -> None:
    assert reachable(lifecycle, lifecycle.first.name) | {lifecycle.first.name} == set(lifecycle.statuses)


def test_a_batch_begins_submitted_and_a_project_in_review() -> None:
    assert BATCH.first.name == "Request submitted"
    assert PROJECT.first.name == "Review in progress"


def test_only_the_ends_have_no_followers() -> None:
    assert {status.name for status in BATCH if status.is_end} == BATCH_ENDS
    assert {status.name for status in PROJECT if status.is_end} == PROJECT_ENDS


@both
def test_every_open_status_can_come_to_an_end(lifecycle: Lifecycle) -> None:
    for status in lifecycle:
        if not status.is_end:
            assert any(lifecycle[name].is_end for name in reachable(lifecycle, status.name)), status.name


def test_labels_can_be_delivered_from_every_open_status_without_a_pause_on_the_way() -> None:
    for name in OPEN_BATCH:
        if name != "Paused":
            assert "Data delivered" in reachable(BATCH, name, without=["Paused"]), name


@pytest.mark.parametrize("name", OPEN_BATCH)
def test_requester_and_operator_may_cancel_every_open_batch_and_nobody_else_may(name: str) -> None:
    assert BATCH[name].followers["Cancelled"] == {Duty.REQUEST, Duty.OPERATE}


@pytest.mark.parametrize("name", sorted(set(OPEN_BATCH) - {"Paused"}))
def test_requester_and_operator_may_pause_every_open_batch_and_resume_it_where_it_was(name: str) -> None:
    assert BATCH[name].followers["Paused"] == {Duty.REQUEST, Duty.OPERATE}
    assert BATCH["Paused"].followers[name] == {Duty.REQUEST, Duty.OPERATE}


def test_a_project_can_be_paused_and_goes_on_as_soon_as_it_is_approved() -> None:
    for name in TAKES_BATCHES:
        assert PROJECT.allowed(name, "Paused", Duty.OPERATE)
        assert PROJECT.allowed("Paused", name, Duty.OPERATE)
    assert not any(PROJECT.allowed("Review in progress", "Paused", duty) for duty in Duty)
    assert not any(PROJECT.allowed("Paused", "Review in progress", duty) for duty in Duty)


def test_a_project_goes_forward_and_never_back() -> None:
    for position, name in enumerate(TAKES_BATCHES):
        assert [s for s in PROJECT.next_for(name, Duty.OPERATE) if s in TAKES_BATCHES] == list(
            TAKES_BATCHES[position + 1 :]
        )


def test_batches_are_taken_from_the_approval_on() -> None:
    assert set(TAKES_BATCHES) == PROJECT_STATUSES_OF_THE_SERVICE - {"Review in progress", "Paused"}
    assert TAKES_BATCHES[0] == "Request approved"


def test_the_main_line_is_that_of_the_service() -> None:
    line = [
        ("Request submitted", Duty.WORKSPACE),
        ("Data transfer in progress", Duty.REPORT),
        ("Data received", Duty.REPORT),
        ("In progress", Duty.REPORT),
        ("Ready for review", Duty.REVIEW),
        ("Review submission in progress", Duty.WORKSPACE),
        ("Review complete", Duty.REVIEW),
        ("Accepted", Duty.WORKSPACE),
        ("Ready for delivery", Duty.WORKSPACE),
        ("Data delivered", None),
    ]
    for (current, duty), (following, _) in pairwise(line):
        assert duty is not None
        assert BATCH.allowed(current, following, duty), f"{current} to {following}"


def test_a_rejected_batch_is_reworked_and_reviewed_again() -> None:
    assert BATCH.allowed("Ready for review", "Rejected", Duty.REVIEW)
    assert BATCH.allowed("Review complete", "Rejected", Duty.REVIEW)
    assert BATCH.allowed("Rejected", "Sent for rework", Duty.WORKSPACE)
    assert BATCH.allowed("Sent for rework", "Ready for review", Duty.REPORT)


def test_a_decision_is_a_reviewers_and_cannot_be_undone() -> None:
    for status in BATCH:
        for decision in ("Accepted", "Rejected"):
            if status.name != "Paused":
                assert status.followers.get(decision, frozenset()) <= {Duty.REVIEW}
    assert "Rejected" not in reachable(BATCH, "Accepted", without=["Paused"])
    assert "Ready for review" not in reachable(BATCH, "Accepted", without=["Paused"])
    assert not BATCH["Rejected"].followers.keys() & {"Accepted", "Ready for review"}


def test_nothing_else_than_ours_delivers_data() -> None:
    """An object, or somebody's word, does not prove a delivery: only our completeness check does."""
    assert {s.name: s.followers["Data delivered"] for s in BATCH if "Data delivered" in s.followers} == {
        "Ready for delivery": {Duty.WORKSPACE}
    }


def test_no_caller_of_the_api_has_the_duty_of_our_functions() -> None:
    assert set(PEOPLE) == set(Duty) - {Duty.WORKSPACE}


@both
def test_whoever_is_waited_for_can_do_something_about_it(lifecycle: Lifecycle) -> None:
    """Or is told of an end: a delivery, a failed transfer, a project that was declined."""
    for status in lifecycle:
        if status.waits_for and not status.is_end and status.name != "Ready for delivery":
            assert lifecycle.next_for(status.name, status.waits_for), status.name


@both
def test_a_module_is_named_after_each_status(lifecycle: Lifecycle) -> None:
    slugs = [status.slug for status in lifecycle]
    assert len(set(slugs)) == len(slugs)
    assert all(slug.isidentifier() for slug in slugs)
    assert Status("Ready for review", "").slug == "ready_for_review"


def test_what_is_next_differs_by_duty() -> None:
    assert BATCH.next_for("Review complete", Duty.REVIEW) == ["Accepted", "Rejected"]
    assert BATCH.next_for("Review complete", Duty.OPERATE) == ["Paused", "Cancelled"]
    assert BATCH.next_for("Review complete", Duty.REPORT) == []


# A status more, and lifecycles that are none


def copy_with(lifecycle: Lifecycle, extra: Status, before: str) -> Lifecycle:
    """A copy in which `extra` can follow `before`."""
    followers = {extra.name: frozenset({Duty.WORKSPACE})}
    return Lifecycle(
        *(s._replace(followers={**s.followers, **followers}) if s.name == before else s for s in lifecycle),
        extra,
        paused=lifecycle.paused,
    )


def test_a_status_is_added_to_a_copy_by_a_line_of_its_own() -> None:
    audited = Status("Audited", "An auditor has looked.", {"Accepted": frozenset({Duty.REVIEW})}, ours=True)
    longer = copy_with(BATCH, audited, before="Review complete")

    assert longer["Audited"] == audited
    assert longer.allowed("Review complete", "Audited", Duty.WORKSPACE)
    assert longer.allowed("Audited", "Accepted", Duty.REVIEW)
    assert [s.name for s in longer] == [*BATCH.statuses, "Audited"]
    assert "Audited" not in BATCH
    assert "Audited" not in BATCH["Review complete"].followers


def to(*names: str) -> dict[str, frozenset[Duty]]:
    return dict.fromkeys(names, anybody)


@pytest.mark.parametrize(
    ("statuses", "problem"),
    [
        ([Status("a", "", to("b"))], "'b' follows a status and is none itself"),
        ([Status("a", ""), Status("b", "")], "nothing leads to 'b'"),
        ([Status("a", "", to("a")), Status("a", "")], "two statuses have one name"),
        ([Status("a", ""), Status("b", "", to("c")), Status("c", "", to("b"))], "nothing leads to 'b'"),
        ([], "at least one status"),
    ],
    ids=["unknown follower", "no way there", "one name twice", "an island", "none at all"],
)
def test_a_lifecycle_that_is_none_is_refused(statuses: list[Status], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Lifecycle(*statuses)


def test_a_lifecycle_that_is_none_is_refused_with_all_its_problems_at_once() -> None:
    statuses = [Status("a", "", to("b", "c")), Status("d", ""), Status("d", "")]
    with pytest.raises(ValueError) as error:
        Lifecycle(*statuses, paused="e")
    for part in ("'b' follows", "'c' follows", "nothing leads to 'd'", "two statuses have one name", "'e'"):
        assert part in str(error.value)


# What a late report implies


def test_a_late_report_implies_what_must_have_happened_before() -> None:
    assert BATCH.implied("Data transfer in progress", "Ready for review", Duty.REPORT) == [
        "Data received",
        "In progress",
        "Ready for review",
    ]
    assert BATCH.implied("In progress", "Ready for review", Duty.REPORT) == ["Ready for review"]


def test_a_report_implies_nothing_that_somebody_else_must_do() -> None:
    assert BATCH.implied("Request submitted", "In progress", Duty.REPORT) is None
    assert BATCH.implied("Ready for review", "Ready for delivery", Duty.REPORT) is None
    assert BATCH.implied("Data received", "Data transfer in progress", Duty.REPORT) is None


@pytest.mark.parametrize("duty", Duty)
@both
def test_nothing_implies_a_pause_or_an_end(lifecycle: Lifecycle, duty: Duty) -> None:
    for current in lifecycle.statuses:
        for target in lifecycle.statuses:
            way = lifecycle.implied(current, target, duty)
            if way is not None:
                assert way[-1] == target
                assert not any(name == lifecycle.paused or lifecycle[name].is_end for name in way[:-1]), way


@given(st.data())
@both
def test_an_implied_way_is_made_of_steps_that_this_duty_may_cause(lifecycle: Lifecycle, data: st.DataObject) -> None:
    names = st.sampled_from(sorted(lifecycle.statuses))
    current, target, duty = data.draw(names), data.draw(names), data.draw(st.sampled_from(list(Duty)))
    way = lifecycle.implied(current, target, duty)
    for before, following in zip([current, *(way or [])], way or [], strict=False):
        assert lifecycle.allowed(before, following, duty)


# Whatever the order of steps


@given(st.data())
@both
def test_every_walk_stays_in_the_lifecycle_and_can_still_come_to_an_end(
    lifecycle: Lifecycle, data: st.DataObject
) -> None:
    current = lifecycle.first.name
    for _ in range(data.draw(st.integers(0, 30))):
        duty = data.draw(st.sampled_from(list(Duty)))
        following = lifecycle.next_for(current, duty)
        if following:
            current = data.draw(st.sampled_from(following))
            assert current in lifecycle
    after = reachable(lifecycle, current) | {current}
    if not lifecycle[current].is_end:
        assert any(lifecycle[name].is_end for name in after)
        if lifecycle is BATCH:
            assert "Data delivered" in after
