"""Decisions: which events a command causes, and when it is refused, held against a small model of our own.

The model below is written from the table of the statuses in the docs and shares no code with the lifecycle.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gtplus_runtime.commands import (
    WORKSPACE,
    Actor,
    Command,
    Event,
    Superseded,
    decide_batch,
    decide_project,
    evolve,
    refuse_batches,
)
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Refused

AT = "2026-11-24T10:00:00.000000Z"
FORM = {"description": "digits", "input": "s3://data/raw/", "output": "s3://data/labels/1/", "labelAttribute": "label"}
SETTINGS = {"maxRounds": 3, "separationOfDuties": True}

ANN = Actor("AIDA-ann", "ann", Duty.REQUEST)
REV = Actor("AIDA-rev", "rev", Duty.REVIEW)
PRO = Actor("AIDA-pro", "pro", Duty.REPORT)
OPS = Actor("AIDA-ops", "ops", Duty.OPERATE)


def apply(head: Mapping[str, Any] | None, events: list[Event], form: Mapping[str, Any] = FORM) -> dict[str, Any]:
    """The head after the events, as the table keeps it."""
    after: dict[str, Any] = dict(head) if head else {"project": "p", "batch": "b", "form": dict(form)}
    for event in events:
        changes = evolve(after if event.seq > 1 else None, event)
        for name in ("facts", "objects"):
            merged = {**after.get(name, {}), **changes.pop(name)}
            after[name] = {key: value for key, value in merged.items() if value is not None}
        after = {key: value for key, value in {**after, **changes}.items() if value is not None}
    return after


def batch(*steps: tuple[str, Actor, str], head: Mapping[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """A batch after commands, each a verb, an actor and a target."""
    for verb, actor, target in steps:
        command = Command(verb, actor, AT, target, FORM if verb == "batch.create" else {})
        head = apply(head, decide_batch(head, command, {**SETTINGS, **settings}))
    assert head is not None
    return dict(head)


CREATED = ("batch.create", ANN, "Request submitted")
IN_TRANSFER = (CREATED, ("advance", WORKSPACE, "Data transfer in progress"))
TO_REVIEW = (*IN_TRANSFER, ("batch.report", PRO, "Ready for review"))
REJECTED = (*TO_REVIEW, ("batch.reject", REV, "Rejected"))
REWORK = (*REJECTED, ("advance", WORKSPACE, "Sent for rework"))


def decide(head: Mapping[str, Any] | None, verb: str, actor: Actor, target: str = "", **data: Any) -> list[Event]:
    return decide_batch(head, Command(verb, actor, AT, target, data), SETTINGS)


def statuses(events: list[Event]) -> list[str]:
    return [event.status for event in events]


# By example


def test_a_batch_begins_submitted_in_its_first_round() -> None:
    (event,) = decide_batch(None, Command("batch.create", ANN, AT, "Request submitted", FORM), SETTINGS)
    assert event == Event(1, "Request submitted", "", 1, AT, ANN, FORM)


def test_the_same_create_again_causes_nothing() -> None:
    assert decide(batch(CREATED), "batch.create", ANN, **FORM) == []


def test_an_optional_field_that_is_null_is_one_that_is_left_out() -> None:
    kept = {name: value for name, value in FORM.items() if name != "description"}
    head = apply(None, [Event(1, "Request submitted", "", 1, AT, ANN, kept)], form=kept)
    assert decide(head, "batch.create", ANN, **{**FORM, "description": None}) == []


def test_a_name_with_another_form_is_taken_and_the_answer_says_what_differs() -> None:
    with pytest.raises(Refused) as error:
        decide(batch(CREATED), "batch.create", ANN, **{**FORM, "input": "s3://data/raw/2/", "labelAttribute": "l"})
    assert error.value.status == 409
    assert error.value.problems[0].rule == "a name is used once, and this one's input, labelAttribute differ"


def test_a_name_that_somebody_else_used_is_taken_though_the_form_is_the_same() -> None:
    with pytest.raises(Refused, match="taken"):
        decide(batch(CREATED), "batch.create", ANN._replace(id="AIDA-eve"), **FORM)


def test_a_batch_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(Refused) as error:
        decide(None, "batch.accept", REV, "Accepted")
    assert error.value.status == 404


def test_a_late_report_becomes_an_event_for_each_status_and_only_the_last_bears_what_was_said() -> None:
    events = decide(batch(*IN_TRANSFER), "batch.report", PRO, "Ready for review", manifest="s3://data/m")
    assert [(e.seq, e.before, e.status, e.implied, dict(e.data)) for e in events] == [
        (3, "Data transfer in progress", "Data received", True, {}),
        (4, "Data received", "In progress", True, {}),
        (5, "In progress", "Ready for review", False, {"manifest": "s3://data/m"}),
    ]


def test_somebody_who_is_too_late_is_told_who_was_first() -> None:
    with pytest.raises(Refused, match="set by pro at 2026"):
        decide(batch(*TO_REVIEW), "batch.report", PRO._replace(id="AIDA-2"), "Ready for review")


def test_a_refusal_says_what_can_follow_for_the_caller() -> None:
    head = batch(*TO_REVIEW)
    with pytest.raises(Refused, match="can follow for you is: Review submission in progress, Accepted, Rejected"):
        decide(head, "batch.review", REV, "Review complete")
    with pytest.raises(Refused, match=r"wait for .*by review"):
        decide(head, "batch.report", PRO, "In progress")
    with pytest.raises(Refused, match="Cancelled is an end, nothing can follow"):
        decide(batch(CREATED, ("batch.cancel", ANN, "Cancelled")), "batch.pause", ANN, "Paused")


def test_a_decision_on_an_earlier_round_is_refused() -> None:
    head = batch(*REWORK, ("batch.report", PRO, "Ready for review"))
    with pytest.raises(Refused, match="round 1 is not the present one") as error:
        decide(head, "batch.accept", REV, "Accepted", round=1)
    assert error.value.problems[0].rule == "must be 2"
    assert statuses(decide(head, "batch.accept", REV, "Accepted", round=2)) == ["Accepted"]


def test_the_round_counts_up_when_a_batch_is_sent_for_rework_and_not_when_that_is_resumed() -> None:
    head = batch(*REWORK)
    assert head["round"] == 2
    resumed = batch(("batch.pause", ANN, "Paused"), ("batch.resume", ANN, ""), head=head)
    assert (resumed["status"], resumed["round"]) == ("Sent for rework", 2)


def test_after_the_last_round_a_person_decides() -> None:
    head = batch(*REJECTED, maxRounds=1)
    command = Command("advance", WORKSPACE, AT, "Sent for rework", after=head["seq"])
    with pytest.raises(Superseded, match="round 1 was the last"):
        decide_batch(head, command, {**SETTINGS, "maxRounds": 1})
    allowed = decide_batch(head, Command("batch.rework", OPS, AT, "Sent for rework"), {**SETTINGS, "maxRounds": 1})
    assert [event.round for event in allowed] == [2]


def test_a_handler_that_is_late_is_superseded() -> None:
    head = batch(*REWORK)
    with pytest.raises(Superseded):
        decide_batch(head, Command("advance", WORKSPACE, AT, "Sent for rework", after=head["seq"] - 1), SETTINGS)


def test_a_handler_that_decides_again_causes_nothing() -> None:
    head = batch(*IN_TRANSFER)
    command = Command("advance", WORKSPACE, AT, "Data transfer in progress", after=head["seq"])
    assert decide_batch(head, command, SETTINGS) == []


def test_a_paused_batch_does_nothing_but_resume_or_end() -> None:
    head = batch(*TO_REVIEW, ("batch.pause", OPS, "Paused"))
    assert head["pausedFrom"] == "Ready for review"
    for verb, actor, target in (
        ("batch.accept", REV, "Accepted"),
        ("batch.report", PRO, "In progress"),
        ("batch.rework", OPS, "Sent for rework"),
    ):
        with pytest.raises(Refused, match="cannot follow 'Paused'"):
            decide(head, verb, actor, target)
    assert statuses(decide(head, "batch.resume", ANN)) == ["Ready for review"]
    assert statuses(decide(head, "batch.cancel", ANN, "Cancelled")) == ["Cancelled"]
    assert "pausedFrom" not in batch(("batch.resume", ANN, ""), head=head)


def test_the_requester_resumes_a_batch_that_was_accepted_though_she_could_not_accept_it() -> None:
    head = batch(*TO_REVIEW, ("batch.accept", REV, "Accepted"), ("batch.pause", ANN, "Paused"))
    assert statuses(decide(head, "batch.resume", ANN)) == ["Accepted"]


def test_what_is_not_paused_cannot_be_resumed() -> None:
    with pytest.raises(Refused, match="a resume cannot follow 'Ready for review'"):
        decide(batch(*TO_REVIEW), "batch.resume", ANN)


@pytest.mark.parametrize(
    ("who", "did"), [(ANN, "requested"), (PRO, "labeled or reported")], ids=["requester", "reporter"]
)
def test_who_requested_or_labeled_a_batch_cannot_accept_it(who: Actor, did: str) -> None:
    with pytest.raises(Refused, match=f"{who.name} has {did} this batch") as error:
        decide(batch(*TO_REVIEW), "batch.accept", who._replace(duty=Duty.REVIEW), "Accepted")
    assert error.value.status == 403


def test_who_can_never_accept_is_not_told_to_be_somebody_else() -> None:
    with pytest.raises(Refused) as error:
        decide(batch(*TO_REVIEW), "batch.report", PRO, "Accepted")
    assert (error.value.status, "separation" in str(error.value)) == (409, False)


def test_who_requested_and_reported_is_told_both() -> None:
    head = batch(CREATED, *TO_REVIEW[1:-1], ("batch.report", ANN._replace(duty=Duty.REPORT), "Ready for review"))
    with pytest.raises(Refused, match="has requested and labeled or reported this batch"):
        decide(head, "batch.accept", ANN._replace(duty=Duty.REVIEW), "Accepted")


def test_an_operator_who_reported_for_the_provider_cannot_accept() -> None:
    head = batch(*IN_TRANSFER, ("batch.report", OPS, "Ready for review"))
    with pytest.raises(Refused, match="ops has labeled or reported"):
        decide(head, "batch.accept", OPS._replace(duty=Duty.REVIEW), "Accepted")


def test_an_operator_who_only_paused_or_allowed_a_rework_may_accept() -> None:
    head = batch(*TO_REVIEW, ("batch.pause", OPS, "Paused"), ("batch.resume", OPS, ""))
    assert statuses(decide(head, "batch.accept", OPS._replace(duty=Duty.REVIEW), "Accepted")) == ["Accepted"]
    head = batch(*REJECTED, ("batch.rework", OPS, "Sent for rework"), ("batch.report", PRO, "Ready for review"))
    assert statuses(decide(head, "batch.accept", OPS._replace(duty=Duty.REVIEW), "Accepted")) == ["Accepted"]


def test_who_requested_a_batch_may_reject_it() -> None:
    rejected = decide(batch(*TO_REVIEW), "batch.reject", ANN._replace(duty=Duty.REVIEW), "Rejected")
    assert statuses(rejected) == ["Rejected"]


def test_a_project_can_do_without_the_separation_of_duties() -> None:
    command = Command("batch.accept", ANN._replace(duty=Duty.REVIEW), AT, "Accepted")
    free = {**SETTINGS, "separationOfDuties": False}
    assert statuses(decide_batch(batch(*TO_REVIEW), command, free)) == ["Accepted"]


def test_a_reason_stays_with_the_event_it_was_given_for() -> None:
    head = apply(batch(*TO_REVIEW), decide(batch(*TO_REVIEW), "batch.reject", REV, "Rejected", reason="blurred"))
    assert head["facts"]["reason"] == "blurred"
    assert "reason" not in batch(("advance", WORKSPACE, "Sent for rework"), head=head)["facts"]


def test_a_problem_is_gone_with_the_next_event() -> None:
    head = batch(*REJECTED)
    head["facts"]["problem"] = "round 3 was the last agreed"
    assert "problem" not in batch(("batch.rework", OPS, "Sent for rework"), head=head)["facts"]


def test_counts_of_objects_change_only_where_they_were_told() -> None:
    head = batch(*IN_TRANSFER) | {"objects": {"total": 9, "completed": 0}}
    after = apply(head, decide(head, "batch.report", PRO, "In progress", objects={"completed": 4}))
    assert after["objects"] == {"total": 9, "completed": 4}


# Projects


def project(status: str | None) -> dict[str, Any] | None:
    if status is None:
        return None
    requested = Event(1, "Review in progress", "", 0, AT, ANN, {"taskType": "image"})
    head = apply(None, [requested], form={"taskType": "image"})
    return {**head, "status": status}


def move(head: Mapping[str, Any] | None, target: str, actor: Actor = OPS, verb: str = "project.status") -> list[str]:
    return statuses(decide_project(head, Command(verb, actor, AT, target)))


def test_anybody_who_may_request_a_project_begins_its_review() -> None:
    (event,) = decide_project(None, Command("project.request", ANN, AT, "Review in progress", {"taskType": "image"}))
    assert (event.seq, event.status, event.actor) == (1, "Review in progress", ANN)


def test_the_same_request_again_causes_nothing_and_another_is_refused() -> None:
    again = Command("project.request", ANN, AT, "Review in progress", {"taskType": "image"})
    assert decide_project(project("Request approved"), again) == []
    with pytest.raises(Refused, match="taskType differ"):
        decide_project(project("Request approved"), again._replace(data={"taskType": "text"}))


def test_a_project_that_nobody_requested_is_not_found() -> None:
    with pytest.raises(Refused, match="has not been requested") as error:
        move(None, "Request approved")
    assert error.value.status == 404


def test_an_operator_approves_or_declines_and_a_requester_does_neither() -> None:
    head = project("Review in progress")
    assert move(head, "Request approved") == ["Request approved"]
    assert move(head, "Declined") == ["Declined"]
    with pytest.raises(Refused, match=r"wait for Request approved \(by operate"):
        move(head, "Request approved", ANN)
    with pytest.raises(Refused, match="Declined is an end"):
        move(project("Declined"), "Request approved")


def test_a_paused_project_goes_on_where_it_was_and_nowhere_else_or_is_closed() -> None:
    head = project("Pilot complete")
    paused = apply(head, decide_project(head, Command("project.status", OPS, AT, "Paused")))
    for target in ("Request approved", "Pilot in progress", "Production in progress", "Review in progress"):
        with pytest.raises(Refused, match="cannot follow 'Paused'") as error:
            move(paused, target)
        assert "gtplus project resume" in error.value.problems[0].mend
    assert move(paused, "Pilot complete") == ["Pilot complete"]
    assert move(paused, "Closed") == ["Closed"]
    assert move(paused, "Paused") == []


@pytest.mark.parametrize(
    ("status", "taken"),
    [
        (None, False),
        ("Review in progress", False),
        ("Request approved", True),
        ("Workflow design and setup in progress", True),
        ("Pilot in progress", True),
        ("Pilot complete", True),
        ("Pricing complete", True),
        ("Contract executed", True),
        ("Production in progress", True),
        ("Production complete", True),
        ("Paused", False),
        ("Declined", False),
        ("Closed", False),
    ],
)
def test_batches_are_taken_from_request_approved_on_and_not_while_paused(status: str | None, taken: bool) -> None:
    if taken:
        refuse_batches(project(status))
    else:
        with pytest.raises(Refused) as error:
            refuse_batches(project(status))
        assert error.value.status == 409
        assert error.value.problems[0].mend


# Against the model

FLOW: dict[str, dict[str, str]] = {
    # where it is: what may follow: by whom (w orkspace, p rovider, r eviewer, o perator)
    "Request submitted": {"Data transfer in progress": "w", "Data transfer failed": "w"},
    "Data transfer in progress": {"Data received": "p", "Data transfer failed": "pw"},
    "Data received": {"In progress": "p"},
    "In progress": {"Ready for review": "p"},
    "Ready for review": {"Review submission in progress": "r", "Accepted": "r", "Rejected": "r"},
    "Review submission in progress": {"Review complete": "w"},
    "Review complete": {"Accepted": "r", "Rejected": "r"},
    "Accepted": {"Ready for delivery": "wp"},
    "Rejected": {"Sent for rework": "wo"},
    "Sent for rework": {"Ready for review": "p"},
    "Ready for delivery": {"Data delivered": "w"},
}
IMPLIED = {  # where it is: what a provider may report, and what that implies
    "Data transfer in progress": {
        "In progress": ["Data received", "In progress"],
        "Ready for review": ["Data received", "In progress", "Ready for review"],
    },
    "Data received": {"Ready for review": ["In progress", "Ready for review"]},
}
ENDS = {"Data transfer failed", "Data delivered", "Cancelled"}
PROVIDERS_OWN = {"Data received", "In progress", "Ready for review", "Data transfer failed", "Ready for delivery"}
ALL = [*FLOW, *ENDS, "Paused"]
LETTER = {Duty.WORKSPACE: "w", Duty.REPORT: "p", Duty.REVIEW: "r", Duty.OPERATE: "o", Duty.REQUEST: "q"}
TARGETS = {
    "batch.review": "Review submission in progress",
    "batch.accept": "Accepted",
    "batch.reject": "Rejected",
    "batch.rework": "Sent for rework",
    "batch.pause": "Paused",
    "batch.resume": "",
    "batch.cancel": "Cancelled",
}


class Model:
    """What must happen, in plain words."""

    def __init__(self, max_rounds: int, separation: bool) -> None:
        self.max_rounds, self.separation = max_rounds, separation
        self.status = ""
        self.round = 1
        self.paused_from = ""
        self.requester = self.last = ""
        self.reporters: set[str] = set()

    def expect(self, verb: str, actor: Actor, target: str, told_round: int | None, late: bool) -> list[str] | str:
        """The statuses that follow, or `refused` or `superseded`."""
        letter = "p" if verb == "batch.report" else LETTER[actor.duty]
        if late:
            return "superseded"
        if told_round not in (None, self.round):
            return "refused"
        if verb == "batch.resume":
            return [self.paused_from] if self.status == "Paused" and letter in "oq" else "refused"
        if target == "Accepted" and self.separation and actor.id in {self.requester, *self.reporters}:
            return "refused"
        if (target, letter) == ("Sent for rework", "w") and self.round >= self.max_rounds and self.status != "Paused":
            return "superseded"
        if target == self.status:
            return [] if actor.id == self.last or letter == "w" else "refused"
        if self.status in ENDS:
            return "refused"
        if target in ("Paused", "Cancelled"):
            return [target] if letter in "oq" else "refused"
        if letter in FLOW.get(self.status, {}).get(target, ""):
            return [target]
        if verb == "batch.report":
            return IMPLIED.get(self.status, {}).get(target, "refused")
        return "refused"

    def happen(self, statuses: list[str], verb: str, actor: Actor) -> None:
        for status in statuses:
            if status == "Paused":
                self.paused_from = self.status
            if (self.status, status) == ("Rejected", "Sent for rework"):
                self.round += 1
            self.status = status
        if statuses:
            self.last = actor.id
            if verb == "batch.report":
                self.reporters.add(actor.id)


people = st.sampled_from(["ann", "bob", "cyd"])
wrong_once_in_a_while = st.sampled_from([None, None, None, 0, -1, 1])


def helps(refused: Refused) -> None:
    """A refusal names the place, the rule, what was received and the mend."""
    assert refused.status in (403, 409)
    assert refused.summary
    assert refused.problems
    for problem in refused.problems:
        assert problem.place
        assert problem.rule
        assert problem.mend
        assert isinstance(problem.value, str)


class Commands(RuleBasedStateMachine):
    """Any commands by anybody in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.head: dict[str, Any] | None = None
        self.events: list[Event] = []
        self.kept: list[tuple[Any, ...]] = []
        self.last: Command | None = None
        self.caused = False

    @initialize(max_rounds=st.integers(1, 3), separation=st.booleans(), who=people)
    def create(self, max_rounds: int, separation: bool, who: str) -> None:
        self.settings = {"maxRounds": max_rounds, "separationOfDuties": separation}
        self.model = Model(max_rounds, separation)
        actor = Actor(who, who, Duty.REQUEST)
        self._write(decide_batch(None, Command("batch.create", actor, AT, "Request submitted", FORM), self.settings))
        self.model.status, self.model.requester, self.model.last = "Request submitted", who, who

    @rule(
        verb=st.sampled_from(sorted(TARGETS)), who=people, duty=st.sampled_from(list(Duty)), off=wrong_once_in_a_while
    )
    def anybody_asks_for_anything(self, verb: str, who: str, duty: Duty, off: int | None) -> None:
        self._try(verb, Actor(who, who, duty), TARGETS[verb], off)

    @rule(
        status=st.sampled_from(ALL),
        who=people,
        by=st.sampled_from([Duty.REPORT, Duty.OPERATE]),
        off=wrong_once_in_a_while,
    )
    def somebody_reports_for_the_provider(self, status: str, who: str, by: Duty, off: int | None) -> None:
        before = self.model.status
        events = self._try("batch.report", Actor(who, who, by), status, off)
        assert {event.status for event in events} <= PROVIDERS_OWN, before

    @rule(status=st.sampled_from(ALL), late=st.sampled_from([False, False, False, True]))
    def a_handler_follows_up(self, status: str, late: bool) -> None:
        assert self.head is not None
        self._try("advance", WORKSPACE, status, None, after=self.head["seq"] - late)

    # The way on, so that most runs come far.
    @rule(who=people, data=st.data())
    def things_go_on_as_they_should(self, who: str, data: st.DataObject) -> None:
        if self.model.status == "Paused":
            self._try("batch.resume", Actor(who, who, Duty.REQUEST), "", None)
        elif self.model.status in FLOW:
            target = data.draw(
                st.sampled_from(sorted(FLOW[self.model.status].keys() - ENDS or FLOW[self.model.status]))
            )
            letter = FLOW[self.model.status][target][0]
            duty = next(duty for duty, of in LETTER.items() if of == letter)
            verb = {"w": "advance", "p": "batch.report"}.get(letter, "batch.accept")
            self._try(verb, WORKSPACE if letter == "w" else Actor(who, who, duty), target, None)

    @rule(who=people, data=st.data())
    def and_further(self, who: str, data: st.DataObject) -> None:
        self.things_go_on_as_they_should(who, data)

    @rule(who=people, by=st.sampled_from([Duty.REQUEST, Duty.OPERATE]), accepted=st.booleans())
    def somebody_interrupts_it_and_decides(self, who: str, by: Duty, accepted: bool) -> None:
        self._try("batch.pause", Actor(who, who, by), "Paused", None)
        self._try("batch.resume", Actor(who, who, by), "", None)
        decision = ("batch.accept", "Accepted") if accepted else ("batch.reject", "Rejected")
        self._try(decision[0], Actor(who, who, Duty.REVIEW), decision[1], None)

    @rule()
    def the_last_command_comes_again(self) -> None:
        """It causes nothing more, if it caused something then."""
        if self.last is not None and self.caused:
            assert self._decide(self.last) in ([], "refused", "superseded")

    @rule(who=people, same=st.booleans())
    def somebody_creates_it_again(self, who: str, same: bool) -> None:
        form = FORM if same else {**FORM, "input": "s3://data/raw/other/"}
        command = Command("batch.create", Actor(who, who, Duty.REQUEST), AT, "Request submitted", form)
        expected = [] if same and who == self.model.requester else "refused"
        assert self._decide(command) == expected

    @invariant()
    def events_are_numbered_without_a_gap_and_never_change(self) -> None:
        assert [event.seq for event in self.events] == list(range(1, len(self.events) + 1))
        assert [tuple(event) for event in self.events[: len(self.kept)]] == self.kept
        self.kept = [tuple(event) for event in self.events]
        for before, event in zip(self.events, self.events[1:], strict=False):
            assert event.before == before.status

    @invariant()
    def a_round_is_decided_once(self) -> None:
        decided = [
            (e.round, e.status) for e in self.events if e.status in ("Accepted", "Rejected") and e.before != "Paused"
        ]
        assert len({number for number, _ in decided}) == len(decided)
        assert [status for _, status in decided[:-1]] == ["Rejected"] * (len(decided) - 1 if decided else 0)

    @invariant()
    def the_head_says_what_the_events_say(self) -> None:
        if self.head is not None:
            assert (self.head["status"], self.head["round"]) == (self.model.status, self.model.round)
            assert self.head["seq"] == len(self.events)
            assert self.head.get("pausedFrom", "") == (self.model.paused_from if self.model.status == "Paused" else "")

    def _try(self, verb: str, actor: Actor, target: str, off: int | None, after: int | None = None) -> list[Event]:
        assert self.head is not None
        told = None if off is None else self.model.round + off
        late = after is not None and after != self.head["seq"]
        command = Command(verb, actor, AT, target, {} if told is None else {"round": told}, after)
        expected = self.model.expect(verb, actor, target, told, late)
        decided = self._decide(command)
        if isinstance(decided, str) or isinstance(expected, str):
            assert decided == expected, (verb, actor, target, self.model.status)
            return []
        assert statuses(decided) == expected, (verb, actor, target, self.model.status)
        assert all(event.implied for event in decided[:-1])
        self._write(decided)
        self.model.happen(expected, verb, actor)
        self.last, self.caused = command, bool(decided)
        return decided

    def _decide(self, command: Command) -> list[Event] | str:
        """Also holds that a decision changes nothing by itself, and that a refusal helps."""
        before = repr(self.head)
        try:
            return decide_batch(self.head, command, self.settings)
        except Superseded:
            assert command.actor.duty == Duty.WORKSPACE
            return "superseded"
        except Refused as refused:
            helps(refused)
            return "refused"
        finally:
            assert repr(self.head) == before

    def _write(self, events: list[Event]) -> None:
        self.head = apply(self.head, events)
        self.events += events


TestCommands = Commands.TestCase
TestCommands.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)


@given(st.sampled_from(ALL), st.sampled_from(ALL), st.sampled_from([Duty.REPORT, Duty.OPERATE]))
def test_a_provider_causes_exactly_what_is_a_providers(current: str, target: str, duty: Duty) -> None:
    """Whoever speaks for it: an operator who reports can cause no more than the provider itself."""
    head = {**batch(*IN_TRANSFER), "status": current, "pausedFrom": "In progress"}
    may = (
        current in FLOW
        and current != target
        and ("p" in FLOW[current].get(target, "") or target in IMPLIED.get(current, {}))
    )
    actor = Actor("AIDA-new", "new", duty)
    decision: Callable[[], list[Event]] = lambda: decide(head, "batch.report", actor, target)  # noqa: E731
    if may:
        assert statuses(decision())[-1] == target
    else:
        with pytest.raises(Refused):
            decision()
