"""The team of a project: people invited at run time into the workspace's user pool and the project's groups.

Works with the caller's own rights on Cognito. No e-mail address stands in a template.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import boto3

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
        project: the project's id.
        groups: the names of its groups, by duty.
    """

    def __init__(self, session: boto3.Session, user_pool: str, project: str, groups: Mapping[str, str]) -> None:
        self._cognito: Any = session.client("cognito-idp")  # typed stubs of it are large, and few calls are used
        self._pool, self._project, self._groups = user_pool, project, groups

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
        done = []
        for email in dict.fromkeys(address.lower() for address in emails):
            username = self._find(email)
            if username is None:
                attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
                answer = self._cognito.admin_create_user(
                    UserPoolId=self._pool, Username=email, UserAttributes=attributes, DesiredDeliveryMediums=["EMAIL"]
                )
                username = answer["User"]["Username"]
                told = "invited by e-mail"
            else:
                told = "has an account already"
            # Adding twice is adding once: a repeated or interrupted invitation goes on.
            self._cognito.admin_add_user_to_group(UserPoolId=self._pool, Username=username, GroupName=self._group(duty))
            done.append(f"{email} may {duty} in {self._project} ({told})")
        return done

    def members(self) -> list[dict[str, str]]:
        """Everybody of the project: e-mail, duty, and whether the invitation was taken up."""
        found = []
        for duty in TEAM_DUTIES:
            pages = self._cognito.get_paginator("list_users_in_group").paginate(
                UserPoolId=self._pool, GroupName=self._group(duty)
            )
            found += [
                {"email": _email(user), "duty": str(duty), "state": _STATES.get(user["UserStatus"], user["UserStatus"])}
                for page in pages
                for user in page["Users"]
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
                self._cognito.admin_remove_user_from_group(
                    UserPoolId=self._pool, Username=username, GroupName=self._group(each)
                )
        what = f"may no longer {duty}" if duty else "has no duty any more"
        return [f"{email} {what} in {self._project}" for email in users]

    def check(self) -> None:
        """Look whether the pool and the groups are as the service and the workspace need them; changes nothing.

        Raises:
            Refused: naming all that is wrong.
        """
        missing = self._cognito.exceptions.ResourceNotFoundException
        problems = []
        try:
            pool = self._cognito.describe_user_pool(UserPoolId=self._pool)["UserPool"]
        except missing:
            rule, mend = "the user pool exists", "bring one that does: UserDirectory(user_pool=…)"
            problem = Problem("user pool", rule, self._pool, mend)
            raise Refused(404, f"the team of {self._project} has no user pool", [problem]) from None
        if not (pool.get("Domain") or pool.get("CustomDomain")):
            problems.append(Problem("domain", "the user pool has one", "none", "give it one: the service asks for it"))
        mfa = pool.get("MfaConfiguration", "OFF")
        if mfa != "ON":
            problems.append(Problem("MFA", "ON: everybody gives a one-time code", mfa, "require it in the pool"))
        if not pool.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly"):
            rule, mend = "off: people are invited", "let administrators alone create users"
            problems.append(Problem("self sign-up", rule, "on", mend))
        for duty, group in self._groups.items():
            try:
                self._cognito.get_group(UserPoolId=self._pool, GroupName=group)
            except missing:
                mend = "create it in the pool, or name another: LabelingProject(groups=…)"
                problems.append(Problem(f"group of {duty}", "is in the user pool", group, mend))
        if problems:
            raise Refused(409, f"the team of {self._project} is not ready: {counted(problems)}", problems)

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
        users = self._cognito.list_users(UserPoolId=self._pool, Filter=f'email = "{email}"', Limit=1)["Users"]
        return str(users[0]["Username"]) if users else None


_STATES = {"FORCE_CHANGE_PASSWORD": "invited", "CONFIRMED": "active"}


def _email(user: dict[str, Any]) -> str:
    return str(next((a["Value"] for a in user.get("Attributes", []) if a["Name"] == "email"), user["Username"]))
