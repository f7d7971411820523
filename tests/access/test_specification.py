"""Who may do what: every question of `specification.md`, over kinds of bucket, feature flags and ways of revoking."""

import json

import pytest

from tests.access.conftest import WorldOf
from tests.access.specification import QUESTIONS, SECTIONS, Question, ask
from tests.access.town import FLAGS, PLACES
from tests.access.world import statements

STATES = ("as granted", "revoked in the app", "revoked at run time")
GRID = [
    pytest.param(flags, marks=pytest.mark.xdist_group(flags)) for flags in FLAGS
]  # a process synthesizes for one set of flags


@pytest.mark.parametrize("flags", GRID)
@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_the_answer_is_as_specified(world_of: WorldOf, question: Question, flags: str) -> None:
    granted, revoked = world_of(flags), world_of(flags, revoked=True)
    worlds = dict(zip(STATES, (granted, revoked, granted.revoked_at_run_time), strict=True))
    problems = [f"{state}: {problem}" for state, world in worlds.items() for problem in question.problems(world)]
    assert not problems, "\n".join(problems)


def test_the_specification_is_large_and_asks_nothing_twice() -> None:
    assert len(QUESTIONS) >= 150
    assert len({question[1:5] for question in QUESTIONS}) == len(QUESTIONS)
    for section in SECTIONS:
        answers = {question.answer for question in QUESTIONS if question.section == section}
        assert answers <= {"allowed", "denied"}, section
        assert any(question.applies(kind) for question in QUESTIONS for kind in PLACES if question.section == section)


@pytest.mark.parametrize("flags", GRID)
def test_every_question_is_asked_somewhere(world_of: WorldOf, flags: str) -> None:
    """A question that made sense in no place would hold vacuously."""
    world = world_of(flags)
    for question in QUESTIONS:
        kinds = filter(question.applies, PLACES)
        assert any(world.thing(question.on, kind) is not None for kind in kinds), question


@pytest.mark.parametrize("flags", GRID)
def test_what_is_revoked_was_allowed(world_of: WorldOf, flags: str) -> None:
    """A revocation that changed nothing would hold vacuously."""
    changed = [question for question in QUESTIONS if question.once_revoked]
    assert len(changed) >= 10
    assert {(question.answer, question.once_revoked) for question in changed} == {("allowed", "denied")}


@pytest.mark.parametrize("flags", GRID)
def test_a_bucket_of_the_app_that_takes_plain_http_is_caught(world_of: WorldOf, flags: str) -> None:
    """A fault in a kind of bucket that the town of the other faults, for speed, does not have."""
    kind = "the app's, without a key"
    world = world_of(flags).mutable()
    bucket = {"Ref": world.names.places[kind]["the bucket"]}
    policies = (each["Properties"] for each in world.of_type("AWS::S3::BucketPolicy").values())
    (policy,) = (statements(each["PolicyDocument"]) for each in policies if each["Bucket"] == bucket)
    policy[:] = [statement for statement in policy if "aws:SecureTransport" not in json.dumps(statement)]
    with pytest.raises(AssertionError, match=rf"\[{kind}\]"):
        ask([question for question in QUESTIONS if question.section == "Nobody gets in without TLS"], world)
