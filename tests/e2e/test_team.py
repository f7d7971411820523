"""The team of a project at run time: invited, listed and removed in the workspace's user pool."""

from collections.abc import Iterator

import pytest

from gtplus_cli.registry import read_place
from gtplus_cli.team import Team
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Refused
from tests.e2e.world import NEIGHBOUR, PROJECT, World

pytestmark = pytest.mark.xdist_group("batches")


def team_of(world: World, project: str) -> Team:
    """The team of a project, as an administrator sees it."""
    groups = read_place(world.root, "labeling", project)["groups"]
    return Team(world.root, world.facts["userPool"], world.facts["userPoolClient"], project, groups)


@pytest.fixture
def team(world: World) -> Iterator[Team]:
    """The team of the street's project, as an administrator sees it; empty again afterwards."""
    # The local cloud makes temporary passwords of 12 characters, whatever the pool asks for; AWS makes them to fit.
    policy = {"PasswordPolicy": {"MinimumLength": 8}}
    world.root.client("cognito-idp").update_user_pool(UserPoolId=world.facts["userPool"], Policies=policy)
    team = team_of(world, PROJECT)
    yield team
    for member in team.members():
        team.remove([member["email"]], None)


def test_people_are_invited_with_a_duty_and_listed(team: Team) -> None:
    told = team.invite(["Ada@example.com", "bo@example.com"], Duty.REVIEW)
    assert told == [
        "ada@example.com may review in street-signs (invited by e-mail)",
        "bo@example.com may review in street-signs (invited by e-mail)",
    ]
    assert team.members() == [
        {"email": "ada@example.com", "duty": "review", "state": "invited"},
        {"email": "bo@example.com", "duty": "review", "state": "invited"},
    ]


def test_an_invitation_can_be_repeated_and_adds_a_duty_to_an_account(team: Team) -> None:
    team.invite(["cy@example.com"], Duty.REVIEW)
    team.invite(["cy@example.com", "cy@example.com"], Duty.REVIEW)
    assert "has an account already" in team.invite(["cy@example.com"], Duty.REQUEST)[0]
    assert [member["duty"] for member in team.members()] == ["request", "review"]


def test_a_duty_in_one_project_is_none_in_another(world: World, team: Team) -> None:
    team.invite(["di@example.com"], Duty.REVIEW)
    assert team_of(world, NEIGHBOUR).members() == []


def test_people_are_removed_from_the_project_and_keep_their_accounts(team: Team) -> None:
    team.invite(["ed@example.com"], Duty.REVIEW)
    team.invite(["ed@example.com"], Duty.REPORT)
    team.remove(["ed@example.com"], Duty.REPORT)
    assert [member["duty"] for member in team.members()] == ["review"]
    team.remove(["ed@example.com"], None)
    assert team.members() == []
    assert "has an account already" in team.invite(["ed@example.com"], Duty.REVIEW)[0]


def test_bad_addresses_are_told_at_once_and_nobody_is_invited(team: Team) -> None:
    with pytest.raises(Refused) as refusal:
        team.invite(["good@example.com", "no-mail", 'a"b@example.com'], Duty.REVIEW)
    assert [problem.value for problem in refusal.value.problems] == ["'no-mail'", "'a\"b@example.com'"]
    with pytest.raises(Refused, match="at most 50 at a time"):
        team.invite([f"p{number}@example.com" for number in range(51)], Duty.REVIEW)
    with pytest.raises(Refused, match="nobody was removed"):
        team.remove(["stranger@example.com"], None)
    assert team.members() == []


def test_a_pool_that_is_ready_passes_and_one_without_domain_and_groups_is_told_all(world: World) -> None:
    team_of(world, PROJECT).check()
    cognito = world.root.client("cognito-idp")
    bare = cognito.create_user_pool(PoolName="bare")["UserPool"]["Id"]
    groups = read_place(world.root, "labeling", PROJECT)["groups"]
    try:
        with pytest.raises(Refused) as refusal:
            Team(world.root, bare, "none", PROJECT, groups).check()
    finally:
        cognito.delete_user_pool(UserPoolId=bare)
    wrong = [problem.place for problem in refusal.value.problems]
    assert wrong == ["domain", "MFA", "self sign-up", "app client", *(f"group of {duty}" for duty in groups)]
    with pytest.raises(Refused, match="has no user pool"):
        Team(world.root, bare, "none", PROJECT, groups).check()
