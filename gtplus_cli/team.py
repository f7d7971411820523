"""The team of a project: people invited at run time into the workspace's user pool and the project's groups.

Works with the caller's own rights on Cognito. No e-mail address stands in a template.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from gtplus_runtime.forms import EMAIL
from gtplus_runtime.lifecycle import TEAM_DUTIES, Duty
from gtplus_runtime.problems import Problem, Refused, counted, shown

MAX_INVITED = 50
"""Addresses in one invitation, as the service's form takes ("Create a project team")."""


class Team:
    """The people of one project.

    Args:
        session: whose rights are used.
        user_pool: the id of the workspace's user pool.
        client: the id of the pool's app client, by which people sign in; None where the workspace that is deployed
            does not tell it yet.
        project: the project's id.
        groups: the names of its groups, by duty.
    """

    def __init__(
        self, session: boto3.Session, user_pool: str, client: str | None, project: str, groups: Mapping[str, str]
    ) -> None:
        self._cognito: Any = session.client("cognito-idp")  # typed stubs of it are large, and few calls are used
        self._pool, self._client, self._project, self._groups = user_pool, client, project, groups

    def invite(self, emails: Sequence[str], duty: Duty) -> list[str]:
        """Invite people and give them a duty; who is in the pool already keeps the account, and gets no second mail.

        Args:
            emails: at most 50 addresses.
            duty: what they may do in the project.

        Returns:
            A sentence a person.

        Raises:
            Refused: naming every address that does not fit; nobody is invited then.
        """
        self._check(emails)
        done, group = [], self._group(duty)
        for email in dict.fromkeys(address.lower() for address in emails):
            username = self._find(email)
            if username is None:
                attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
                with self._told("invite people to the team"):
                    answer = self._cognito.admin_create_user(
                        UserPoolId=self._pool,
                        Username=email,
                        UserAttributes=attributes,
                        DesiredDeliveryMediums=["EMAIL"],
                    )
                username = answer["User"]["Username"]
                told = "invited by e-mail"
            else:
                told = "has an account already"
            # Adding twice is adding once: a repeated or interrupted invitation goes on.
            with self._told("invite people to the team", group):
                self._cognito.admin_add_user_to_group(UserPoolId=self._pool, Username=username, GroupName=group)
            done.append(f"{email} may {duty} in {self._project} ({told})")
        return done

    def members(self) -> list[dict[str, str]]:
        """Everybody of the project: e-mail, duty, and whether the invitation was taken up."""
        found = []
        for duty in TEAM_DUTIES:
            group = self._group(duty)
            pages = self._cognito.get_paginator("list_users_in_group").paginate(UserPoolId=self._pool, GroupName=group)
            with self._told("list the team", group):
                users = [user for page in pages for user in page["Users"]]
            found += [
                {"email": _email(user), "duty": str(duty), "state": _STATES.get(user["UserStatus"], user["UserStatus"])}
                for user in users
            ]
        return sorted(found, key=lambda member: (member["email"], member["duty"]))

    def remove(self, emails: Sequence[str], duty: Duty | None) -> list[str]:
        """Take a duty, or all of the project's, from people. Their accounts stay: other projects may know them.

        Args:
            emails: whose.
            duty: which; None for all.

        Returns:
            A sentence a person.

        Raises:
            Refused: naming every address that has no account; nobody is removed then.
        """
        self._check(emails)
        users = {email: self._find(email.lower()) for email in emails}
        unknown = [
            Problem("EMAIL", "has an account in the workspace", email, "look at gtplus team list")
            for email, username in users.items()
            if username is None
        ]
        if unknown:
            raise Refused(404, f"nobody was removed: {counted(unknown)}", unknown)
        for username in users.values():
            for each in TEAM_DUTIES if duty is None else (duty,):
                group = self._group(each)
                with self._told("remove people from the team", group):
                    self._cognito.admin_remove_user_from_group(
                        UserPoolId=self._pool, Username=username, GroupName=group
                    )
        what = f"may no longer {duty}" if duty else "has no duty any more"
        return [f"{email} {what} in {self._project}" for email in users]

    def check(self) -> None:
        """Look whether the pool, its app client and the groups are as they must be; changes nothing.

        Raises:
            Refused: naming all that is wrong.
        """
        problems = []
        with self._told("look at the pool"):
            pool = self._cognito.describe_user_pool(UserPoolId=self._pool)["UserPool"]
        if not (pool.get("Domain") or pool.get("CustomDomain")):
            problems.append(Problem("domain", "the user pool has one", "none", "give it one: the service asks for it"))
        mfa = pool.get("MfaConfiguration", "OFF")
        if mfa != "ON":
            problems.append(Problem("MFA", "ON: everybody gives a one-time code", mfa, "require it in the pool"))
        if not pool.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly"):
            rule, mend = "off: people are invited", "let administrators alone create users"
            problems.append(Problem("self sign-up", rule, "on", mend))
        missing = self._cognito.exceptions.ResourceNotFoundException
        problems += self._look_at_client()
        for duty, group in self._groups.items():
            try:
                with self._told("look at the groups", missing=False):
                    self._cognito.get_group(UserPoolId=self._pool, GroupName=group)
            except missing:
                mend = "create it in the pool, or name another: LabelingProject(groups=…)"
                problems.append(Problem(f"group of {duty}", "is in the user pool", group, mend))
        if problems:
            raise Refused(409, f"the team of {self._project} is not ready: {counted(problems)}", problems)

    def _look_at_client(self) -> list[Problem]:
        if self._client is None:
            rule, mend = "is registered by the workspace", "deploy the workspace again"
            return [Problem("app client", rule, "none", mend)]
        try:
            with self._told("look at the app client", missing=False):
                answer = self._cognito.describe_user_pool_client(UserPoolId=self._pool, ClientId=self._client)
        except self._cognito.exceptions.ResourceNotFoundException:
            mend = "name one of the pool: UserDirectory(client=…)"
            return [Problem("app client", "is in the user pool", self._client, mend)]
        return _client_problems(answer["UserPoolClient"])

    @contextmanager
    def _told(self, what: str, group: str | None = None, *, missing: bool = True) -> Iterator[None]:
        """Say what is missing in place of AWS's words: the pool, the group, or the right.

        Args:
            what: what was tried.
            group: the group that is named in the call.
            missing: whether what is not there is told; otherwise the caller looks.
        """
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            words = error.response["Error"].get("Message", "")
            if code in _DENIED:
                rule, mend = "may be called by you on the user pool", "get the right: workspace.grant_team(role)"
                problem = Problem(f"cognito-idp:{error.operation_name}", rule, self._pool, mend)
                raise Refused(403, f"you may not {what} of {self._project}", [problem]) from None
            if code != "ResourceNotFoundException" or not missing:
                raise
            if group is not None and "group" in words.lower():
                mend = "create it in the pool, or name another: LabelingProject(groups=…); look at gtplus team check"
                problem = Problem("group", "is in the user pool", group, mend)
                raise Refused(404, f"the team of {self._project} has no such group", [problem]) from None
            rule, mend = "the user pool exists", "bring one that does: UserDirectory(user_pool=…)"
            problem = Problem("user pool", rule, self._pool, mend)
            raise Refused(404, f"the team of {self._project} has no user pool", [problem]) from None

    def _group(self, duty: Duty) -> str:
        return self._groups[duty]

    def _check(self, emails: Sequence[str]) -> None:
        problems = [
            Problem("EMAIL", "an e-mail address", shown(email), "write one such as jo@example.com")
            for email in emails
            if not EMAIL.fullmatch(email) or '"' in email
        ]
        if len(emails) > MAX_INVITED:
            problems.append(
                Problem("EMAIL", f"at most {MAX_INVITED} at a time", str(len(emails)), "call again for the rest")
            )
        if problems:
            raise Refused(400, f"nobody's duty was changed: {counted(problems)}", problems)

    def _find(self, email: str) -> str | None:
        with self._told("look for people in the team"):
            users = self._cognito.list_users(UserPoolId=self._pool, Filter=f'email = "{email}"', Limit=1)["Users"]
        return str(users[0]["Username"]) if users else None


def _client_problems(client: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with an app client: the same that `UserDirectory` sets on one of its own."""
    problems = []

    def hold(place: str, rule: str, value: object, mend: str, *, good: bool) -> None:
        if not good:
            problems.append(Problem(f"app client: {place}", rule, str(value), mend))

    enabled = bool(client.get("AllowedOAuthFlowsUserPoolClient"))
    flows = client.get("AllowedOAuthFlows", []) if enabled else []
    hold(
        "flows",
        "the code flow alone",
        ", ".join(flows),
        "take implicit and client_credentials away",
        good=set(flows) <= {"code"},
    )
    urls = client.get("CallbackURLs", [])
    wrong = [url for url in urls if not _CALLBACK.fullmatch(url)]
    hold(
        "callbacks", "exact https addresses", ", ".join(wrong), "write e.g. https://portal.example.com/", good=not wrong
    )
    sign_in = [flow for flow in client.get("ExplicitAuthFlows", []) if flow not in _SIGN_INS]
    good = "ExplicitAuthFlows" in client and not sign_in
    value = ", ".join(sign_in) or "not set: Cognito's defaults"
    hold(
        "sign-in",
        "by SRP alone: no password leaves the browser",
        value,
        f"allow {' and '.join(_SIGN_INS)} alone",
        good=good,
    )
    existence = client.get("PreventUserExistenceErrors", "LEGACY")
    hold(
        "errors",
        "tell nobody who has an account",
        existence,
        "set PreventUserExistenceErrors to ENABLED",
        good=existence == "ENABLED",
    )
    revocation = bool(client.get("EnableTokenRevocation"))
    hold("revocation", "tokens can be revoked", "off", "set EnableTokenRevocation", good=revocation)
    units = client.get("TokenValidityUnits", {})
    for token, (number, unit, longest) in _LIVES.items():
        # 0 or nothing stands for Cognito's default.
        life = timedelta(**{units.get(f"{token}Token", unit): client.get(f"{token}TokenValidity") or number})
        rule = f"{token.lower()} tokens live {longest} at most"
        hold("tokens", rule, life, f"shorten {token}TokenValidity", good=life <= longest)
    return problems


_CALLBACK = re.compile(r"https://[^/\s*]+(?:/[^\s*#]*)?")
_DENIED = ("AccessDeniedException", "AccessDenied", "NotAuthorizedException")
_SIGN_INS = ("ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
_LIVES = {
    "Access": (1, "hours", timedelta(minutes=15)),
    "Id": (1, "hours", timedelta(minutes=15)),
    "Refresh": (30, "days", timedelta(hours=8)),
}
"""Cognito's default of each token, its unit, and how long ours live at most ("UserPoolClientType")."""
_STATES = {"FORCE_CHANGE_PASSWORD": "invited", "CONFIRMED": "active"}


def _email(user: dict[str, Any]) -> str:
    return str(next((a["Value"] for a in user.get("Attributes", []) if a["Name"] == "email"), user["Username"]))
