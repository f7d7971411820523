"""Promises about people: the directory, its client and its groups."""

import re

from gtplus_runtime.lifecycle import TEAM_DUTIES
from tests.access.promise import Promises, each_has, none_has
from tests.access.town import ACCOUNT
from tests.access.world import World

PROMISES = Promises()


@PROMISES
def people_are_invited_and_never_sign_up(world: World) -> None:
    pool = world.one("AWS::Cognito::UserPool")
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    none_has({"the pool": pool}, "LambdaConfig")
    messages = pool["VerificationMessageTemplate"]
    assert messages["DefaultEmailOption"] == "CONFIRM_WITH_CODE"
    texts = [*messages.values(), *(pool[f"{kind}VerificationMessage"] for kind in ("Email", "Sms"))]
    assert not [text for text in texts if re.search(r"https?:|\.\w|{##[^#]", text)]  # no mail of ours has a link


@PROMISES
def people_sign_in_with_a_one_time_code(world: World) -> None:
    pool = world.one("AWS::Cognito::UserPool")
    assert pool["MfaConfiguration"] == "ON"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]


@PROMISES
def threats_are_stopped_and_not_only_counted(world: World) -> None:
    pool = world.one("AWS::Cognito::UserPool")
    assert pool["UserPoolTier"] == "PLUS"
    assert pool["UserPoolAddOns"] == {"AdvancedSecurityMode": "ENFORCED"}


@PROMISES
def passwords_are_long_and_first_ones_short_lived(world: World) -> None:
    policies = world.one("AWS::Cognito::UserPool")["Policies"]
    assert set(policies) == {"PasswordPolicy"}  # and nobody signs in by something else first
    policy = policies["PasswordPolicy"]
    assert policy["MinimumLength"] >= 14
    assert policy["TemporaryPasswordValidityDays"] == 1
    assert all(policy[f"Require{kind}"] is True for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))


@PROMISES
def an_account_is_recovered_by_mail_and_an_address_is_one_person(world: World) -> None:
    pool = world.one("AWS::Cognito::UserPool")
    recovery = pool["AccountRecoverySetting"]["RecoveryMechanisms"]
    assert [mechanism["Name"] for mechanism in recovery] == ["verified_email"]
    assert pool.get("AutoVerifiedAttributes") == ["email"]
    assert pool["UsernameAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}


@PROMISES
def the_pool_cannot_be_deleted_by_mistake(world: World) -> None:
    assert world.one("AWS::Cognito::UserPool")["DeletionProtection"] == "ACTIVE"


@PROMISES
def the_client_lets_nobody_send_a_password(world: World) -> None:
    client = world.one("AWS::Cognito::UserPoolClient")
    assert sorted(client["ExplicitAuthFlows"]) == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    assert client["GenerateSecret"] is True


@PROMISES
def the_client_tells_nobody_who_exists(world: World) -> None:
    assert world.one("AWS::Cognito::UserPoolClient")["PreventUserExistenceErrors"] == "ENABLED"


@PROMISES
def the_clients_tokens_are_short_and_can_be_revoked(world: World) -> None:
    client = world.one("AWS::Cognito::UserPoolClient")
    assert client["EnableTokenRevocation"] is True
    assert client["TokenValidityUnits"] == dict.fromkeys(("AccessToken", "IdToken", "RefreshToken"), "minutes")
    for token, longest in (("AccessToken", 15), ("IdToken", 15), ("RefreshToken", 8 * 60)):
        assert 0 < client.get(f"{token}Validity", 0) <= longest, token


@PROMISES
def the_client_uses_no_flow_but_the_code(world: World) -> None:
    client = world.one("AWS::Cognito::UserPoolClient")
    assert set(client.get("AllowedOAuthFlows", [])) <= {"code"}
    assert set(client.get("AllowedOAuthScopes", [])) <= {"openid", "email"}
    assert not [url for url in client.get("CallbackURLs", []) if not url.startswith("https://") or "*" in url]
    assert client["SupportedIdentityProviders"] == ["COGNITO"]
    assert client.get("AllowedOAuthFlowsUserPoolClient") is bool(client.get("CallbackURLs"))


@PROMISES
def client_domain_and_groups_are_of_the_pool(world: World) -> None:
    (name,) = world.of_type("AWS::Cognito::UserPool")
    for kind in ("Client", "Domain", "Group"):
        each_has(world.properties(f"AWS::Cognito::UserPool{kind}"), UserPoolId=world.resolved({"Ref": name}))
    each_has(world.properties("AWS::Cognito::UserPoolDomain"), Domain=f"gtplus-labeling-{ACCOUNT}")


@PROMISES
def a_group_is_a_duty_of_one_project_and_has_no_role(world: World) -> None:
    groups = world.properties("AWS::Cognito::UserPoolGroup")
    none_has(groups, "RoleArn")
    projects = ["vendor", *world.names.projects.values()]
    wanted = {"labeling-operate"} | {f"{project}-{duty}" for project in projects for duty in TEAM_DUTIES}
    assert sorted(group["GroupName"] for group in groups.values()) == sorted(wanted)
