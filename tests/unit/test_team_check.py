"""`gtplus team check`: what is wrong with a user pool that was brought, held against answers as Cognito gives them."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from gtplus_cli.team import Team
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Refused

POOL = "us-east-1_abc"
GOOD: dict[str, Any] = {
    "Domain": "labels",
    "MfaConfiguration": "ON",
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
}
WITHOUT_DOMAIN = {key: value for key, value in GOOD.items() if key != "Domain"}
CLIENT = "client-1"
GOOD_CLIENT: dict[str, Any] = {
    "AllowedOAuthFlowsUserPoolClient": True,
    "AllowedOAuthFlows": ["code"],
    "CallbackURLs": ["https://portal.example.com/back"],
    "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    "PreventUserExistenceErrors": "ENABLED",
    "EnableTokenRevocation": True,
    "AccessTokenValidity": 15,
    "IdTokenValidity": 15,
    "RefreshTokenValidity": 480,
    "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"},
}
GROUPS = {"request": "askers", "review": "lookers"}


def team_of_signs() -> Team:
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    return Team(session, POOL, CLIENT, "signs", GROUPS)


def check(
    pool: dict[str, Any] | None,
    groups: tuple[str, ...] = tuple(GROUPS.values()),
    client: dict[str, Any] | None = GOOD_CLIENT,
) -> list[str]:
    """The places that are wrong in such a pool with such groups; without a pool where it is None."""
    team = team_of_signs()
    with Stubber(team._cognito) as cognito:
        if pool is None:
            cognito.add_client_error("describe_user_pool", "ResourceNotFoundException")
        else:
            cognito.add_response("describe_user_pool", {"UserPool": pool}, {"UserPoolId": POOL})
            asked = {"UserPoolId": POOL, "ClientId": CLIENT}
            if client is None:
                cognito.add_client_error("describe_user_pool_client", "ResourceNotFoundException")
            else:
                cognito.add_response("describe_user_pool_client", {"UserPoolClient": client}, asked)
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


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ({"AllowedOAuthFlows": ["code", "implicit"]}, "flows"),
        ({"AllowedOAuthFlows": ["client_credentials"]}, "flows"),
        ({"CallbackURLs": ["http://portal.example.com/"]}, "callbacks"),
        ({"CallbackURLs": ["https://*.example.com/"]}, "callbacks"),
        ({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]}, "sign-in"),
        ({"ExplicitAuthFlows": ["ADMIN_NO_SRP_AUTH"]}, "sign-in"),
        ({"PreventUserExistenceErrors": "LEGACY"}, "errors"),
        ({"EnableTokenRevocation": False}, "revocation"),
        ({"AccessTokenValidity": 60}, "tokens"),
        ({"IdTokenValidity": 16}, "tokens"),
        ({"RefreshTokenValidity": 481}, "tokens"),
    ],
)
def test_one_thing_wrong_with_the_app_client(fault: dict[str, Any], place: str) -> None:
    assert check(GOOD, client={**GOOD_CLIENT, **fault}) == [f"app client: {place}"]


def test_an_app_client_as_cognito_makes_it_by_default_is_told_all() -> None:
    wrong = ["sign-in", "errors", "revocation", "tokens", "tokens", "tokens"]
    assert check(GOOD, client={}) == [f"app client: {place}" for place in wrong]


def test_an_app_client_without_a_hosted_sign_in_needs_no_address() -> None:
    without = {k: v for k, v in GOOD_CLIENT.items() if "OAuth" not in k and k != "CallbackURLs"}
    assert check(GOOD, client=without) == []


def test_an_app_client_that_is_not_there() -> None:
    assert check(GOOD, client=None) == ["app client"]


DO: dict[str, tuple[str, Callable[[Team], object]]] = {
    "list": ("list_users_in_group", lambda team: team.members()),
    "invite": ("admin_add_user_to_group", lambda team: team.invite(["a@example.com"], Duty.REVIEW)),
    "remove": ("admin_remove_user_from_group", lambda team: team.remove(["a@example.com"], Duty.REVIEW)),
    "find": ("list_users", lambda team: team.remove(["a@example.com"], Duty.REVIEW)),
}


@pytest.mark.parametrize("does", DO)
@pytest.mark.parametrize(
    ("code", "words", "place", "mend"),
    [
        ("AccessDeniedException", "no identity-based policy", "cognito-idp:", "workspace.grant_team"),
        (
            "ResourceNotFoundException",
            "User pool us-east-1_abc does not exist.",
            "user pool",
            "UserDirectory(user_pool=…)",
        ),
        ("ResourceNotFoundException", "Group not found.", "group", "gtplus team check"),
    ],
)
def test_what_is_missing_is_named_with_its_mend(does: str, code: str, words: str, place: str, mend: str) -> None:
    call, run = DO[does]
    if (does, place) == ("find", "group"):
        place, mend = "user pool", "UserDirectory"  # the call names no group
    team = team_of_signs()
    with Stubber(team._cognito) as cognito:
        if call.startswith("admin"):
            cognito.add_response("list_users", {"Users": [{"Username": "a"}]})
        cognito.add_client_error(call, code, words)
        with pytest.raises(Refused) as refusal:
            run(team)
    (problem,) = refusal.value.problems
    assert problem.place.startswith(place)
    assert mend in problem.mend
