"""`gtplus team check`: what is wrong with a user pool that was brought, held against answers as Cognito gives them."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from gtplus_cli.team import Team
from gtplus_runtime.problems import Refused

POOL = "us-east-1_abc"
GOOD: dict[str, Any] = {
    "Domain": "labels",
    "MfaConfiguration": "ON",
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
}
WITHOUT_DOMAIN = {key: value for key, value in GOOD.items() if key != "Domain"}
GROUPS = {"request": "askers", "review": "lookers"}


def check(pool: dict[str, Any] | None, groups: tuple[str, ...] = tuple(GROUPS.values())) -> list[str]:
    """The places that are wrong in such a pool with such groups; without a pool where it is None."""
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    team = Team(session, POOL, "signs", GROUPS)
    with Stubber(team._cognito) as cognito:
        if pool is None:
            cognito.add_client_error("describe_user_pool", "ResourceNotFoundException")
        else:
            cognito.add_response("describe_user_pool", {"UserPool": pool}, {"UserPoolId": POOL})
            for group in GROUPS.values():
                if group in groups:
                    cognito.add_response("get_group", {}, {"UserPoolId": POOL, "GroupName": group})
                else:
                    cognito.add_client_error("get_group", "ResourceNotFoundException")
        try:
            team.check()
        except Refused as refused:
            return [problem.place for problem in refused.problems]
        return []


@pytest.mark.parametrize("pool", [GOOD, {**WITHOUT_DOMAIN, "CustomDomain": "labels.example.com"}])
def test_a_good_pool_is_ready(pool: dict[str, Any]) -> None:
    assert check(pool) == []


def test_a_pool_that_is_not_there() -> None:
    assert check(None) == ["user pool"]


@pytest.mark.parametrize(
    ("pool", "place"),
    [
        (WITHOUT_DOMAIN, "domain"),
        ({**GOOD, "MfaConfiguration": "OPTIONAL"}, "MFA"),
        ({**GOOD, "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False}}, "self sign-up"),
    ],
)
def test_one_thing_wrong(pool: dict[str, Any], place: str) -> None:
    assert check(pool) == [place]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert check({}, groups=("askers",)) == ["domain", "MFA", "self sign-up", "group of review"]
