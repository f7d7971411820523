"""The verdict on one request.

Rules: IAM User Guide, "Policy evaluation logic" with its pages "… for requests within a single account" and
"Cross-account policy evaluation logic", "Permissions boundaries for IAM entities"; AWS KMS Developer Guide, "Key
policies".
"""

import re
from dataclasses import dataclass, field

from .attachments import Attachments, Target
from .context import Context
from .errors import NotModelled
from .logic import MAYBE, NO, YES, Match
from .policy import Statement
from .principals import Kind, Named, Principal

# Services in which an identity's own policy is not enough: the resource's policy must let the account delegate.
_DELEGATING = frozenset({"kms", "sts"})
# AWS answers these without asking any policy.
UNGUARDED = frozenset({"sts:getcalleridentity", "sts:getsessiontoken"})
_PUBLIC_ACCESS = ("RestrictPublicBuckets", "BlockPublicPolicy")


@dataclass(slots=True)
class Verdict:
    """What the policies say to one request.

    Attributes:
        denied: Whether an explicit Deny applies.
        allowed: Whether the Allows suffice.
        by: The statements that decided.
        doubts: Why it cannot be told, as far as it cannot.
        lacking: What would still have been needed.
    """

    denied: Match = NO
    allowed: Match = NO
    by: list[Statement] = field(default_factory=list)
    doubts: list[Statement | NotModelled] = field(default_factory=list)
    lacking: str = ""


@dataclass(slots=True)
class _Candidates:
    """The statements that speak of an action, found once per principal and action."""

    deny: list[tuple[Statement, Match]]
    allow: list[tuple[Statement, Match]]


@dataclass(slots=True)
class _Grants:
    """How far the resource's policy allows, by how it names the principal."""

    session: Match = NO
    identity: Match = NO
    anyone: Match = NO
    account: Match = NO
    by: list[Statement] = field(default_factory=list)
    doubts: list[Statement | NotModelled] = field(default_factory=list)

    @property
    def best(self) -> Match:
        return max(self.session, self.identity, self.anyone, self.account)


class Evaluator:
    """Judges requests against the policies of loaded templates."""

    def __init__(self, attachments: Attachments) -> None:
        self.attachments = attachments
        self._own: dict[tuple[Principal, str], tuple[_Candidates, _Candidates | None]] = {}
        self._added: dict[str, list[Statement]] = {}

    def add(self, arn: str, statements: list[Statement]) -> None:
        """Attach further statements to a role or user."""
        self._added.setdefault(arn, []).extend(statements)
        self._own.clear()

    def target(self, action: str, resource: str) -> Target:
        """The resource that an action acts on, with its policy."""
        return self.attachments.target(action.partition(":")[0].lower(), resource)

    def judge(self, principal: Principal, action: str, target: Target, resource: str, keys: Context) -> Verdict:
        """What the policies say to one request.

        Args:
            principal: Who asks.
            action: For what, in lower case.
            target: The resource with its policy.
            resource: The resource's full ARN.
            keys: The request's condition keys.
        """
        verdict = Verdict()
        service = action.partition(":")[0]
        self._refuse(principal, action)
        own, boundary = self._candidates(principal, action)
        self._deny(verdict, own.deny, resource, keys)
        if boundary is not None:
            self._deny(verdict, boundary.deny, resource, keys)
        grants = self._grants(verdict, principal, action, target, resource, keys)
        if verdict.denied is YES:
            if principal.kind is Kind.ROOT and re.fullmatch(r"s3:(get|put|delete)bucketpolicy", action):
                verdict.denied = MAYBE
                verdict.doubts.append(NotModelled("a Deny for the root user on a bucket's policy, which AWS overrides"))
            else:
                return verdict
        identity, identity_by = self._allow(verdict, own.allow, resource, keys)
        if principal.trusted_by_owner:
            identity = YES
        within = YES
        boundary_by: list[Statement] = []
        if boundary is not None:
            within, boundary_by = self._allow(verdict, boundary.allow, resource, keys)
        self._combine(verdict, principal, target, service, identity, within, boundary is not None, grants)
        if verdict.allowed is not NO:
            verdict.by = [*identity_by, *boundary_by, *grants.by]
        self._public_access(verdict, principal, target, grants)
        return verdict

    def _combine(
        self,
        verdict: Verdict,
        principal: Principal,
        target: Target,
        service: str,
        identity: Match,
        within: Match,
        bounded: bool,
        grants: _Grants,
    ) -> None:
        own = min(identity, within)
        if principal.account is None:
            verdict.allowed = max(grants.identity, grants.anyone, grants.session)
            verdict.lacking = "" if verdict.allowed is YES else f"an Allow for {principal} in the resource's policy"
            return
        account = target.account or (principal.account if target.arn == "*" else None)
        if account is None:
            # Nobody knows whose bucket it is, so both ways of combining must agree.
            together = min(own, grants.best)
            apart = max(own, grants.best)
            verdict.allowed = together if together == apart else MAYBE
            verdict.doubts.append(
                NotModelled(f"the account that owns {target.arn}: access.with_resource_policy(…, account=…)")
            )
            return
        if account != principal.account:
            verdict.allowed = min(own, grants.best)
            verdict.lacking = _lacking(own, grants.best, "it is another account's, so both sides must allow")
            return
        named = grants.identity if principal.kind is Kind.USER else min(grants.identity, within)
        anyone = grants.anyone
        if bounded and anyone is not NO and within is not YES:
            # AWS does not say whether a boundary limits an Allow to everybody.
            anyone = MAYBE
            verdict.doubts.append(
                NotModelled("an Allow to everybody (*) for a principal whose boundary does not allow it")
            )
        direct = max(grants.session, named, anyone)
        if service in _DELEGATING and target.arn != "*":
            verdict.allowed = max(direct, min(grants.account, own))
            if verdict.allowed is not YES:
                verdict.lacking = (
                    _lacking(own, grants.account, "the resource's policy must name the principal, or its account")
                    if direct is NO
                    else "an Allow that is sure"
                )
        else:
            verdict.allowed = max(own, direct)
            if verdict.allowed is not YES:
                verdict.lacking = (
                    "an Allow in the permissions boundary"
                    if identity is YES and within is NO
                    else "an Allow in the identity's policies or in the resource's"
                )

    def _grants(
        self, verdict: Verdict, principal: Principal, action: str, target: Target, resource: str, keys: Context
    ) -> _Grants:
        grants = _Grants()
        for statement, acts, named in self._of_resource(principal, action, target):
            match = min(acts, statement.covers(resource, keys))
            if match is NO:
                continue
            match = min(match, statement.applies(keys))
            if match is NO:
                continue
            if named is Named.DOUBTFUL:
                match = MAYBE
            if statement.denies:
                sure = named & ~Named.DOUBTFUL
                self._denied(verdict, statement, match if sure else MAYBE)
            if statement.allows:
                if match is YES:
                    grants.by.append(statement)
                if match is MAYBE or named & Named.DOUBTFUL:
                    verdict.doubts.append(statement)
                if named & Named.DOUBTFUL:
                    for field_ in ("session", "identity", "anyone", "account"):
                        setattr(grants, field_, max(getattr(grants, field_), MAYBE))
                if named & Named.SESSION:
                    grants.session = max(grants.session, match)
                if named & Named.IDENTITY:
                    grants.identity = max(grants.identity, match)
                if named & Named.ANYONE:
                    grants.anyone = max(grants.anyone, match)
                if named & Named.ACCOUNT:
                    grants.account = max(grants.account, match)
        return grants

    def _candidates(self, principal: Principal, action: str) -> tuple[_Candidates, _Candidates | None]:
        key = (principal, action)
        found = self._own.get(key)
        if found is None:
            policies, boundary = self.policies(principal)
            found = self._own[key] = (
                _speaking(policies, action),
                None if boundary is None else _speaking(boundary, action),
            )
        return found

    def policies(self, principal: Principal) -> tuple[list[Statement], list[Statement] | None]:
        """The policies of a principal itself, and of its boundary if it has one."""
        added = self._added.get(principal.name, [])
        resource = self.attachments.by_arn.get(principal.name)
        if principal.trusted_by_owner or resource is None or principal.kind not in (Kind.ROLE, Kind.USER):
            return added, None
        identity = self.attachments.identity(resource)
        return [*identity.policies, *added], identity.boundary

    def _of_resource(self, principal: Principal, action: str, target: Target) -> list[tuple[Statement, Match, Named]]:
        key = (principal, action)
        found = target.named.get(key)
        if found is None:
            bounded = self._candidates(principal, action)[1] is not None
            found = target.named[key] = [
                (statement, acts, named)
                for statement in target.statements
                if (acts := statement.acts(action)) is not NO and (named := statement.names(principal, bounded=bounded))
            ]
        return found

    def _deny(self, verdict: Verdict, statements: list[tuple[Statement, Match]], resource: str, keys: Context) -> None:
        for statement, acts in statements:
            match = min(acts, statement.covers(resource, keys))
            if match is not NO:
                self._denied(verdict, statement, min(match, statement.applies(keys)))

    def _denied(self, verdict: Verdict, statement: Statement, match: Match) -> None:
        if match is YES:
            verdict.denied = YES
            verdict.by.append(statement)
        elif match is MAYBE:
            verdict.denied = max(verdict.denied, MAYBE)
            verdict.doubts.append(statement)

    def _allow(
        self, verdict: Verdict, statements: list[tuple[Statement, Match]], resource: str, keys: Context
    ) -> tuple[Match, list[Statement]]:
        best, by = NO, []
        for statement, acts in statements:
            match = min(acts, statement.covers(resource, keys))
            if match is NO:
                continue
            match = min(match, statement.applies(keys))
            if match is YES:
                by.append(statement)
            elif match is MAYBE:
                verdict.doubts.append(statement)
            best = max(best, match)
        return best, by

    def _refuse(self, principal: Principal, action: str) -> None:
        if action in UNGUARDED:
            raise NotModelled(f"{action}, which AWS answers without asking any policy")
        if action == "sts:assumerole" and principal.kind is Kind.ROOT:
            raise NotModelled("sts:AssumeRole by a root user, which AWS refuses whatever the policies say")

    def _public_access(self, verdict: Verdict, principal: Principal, target: Target, grants: _Grants) -> None:
        """Refuse where something other than policies decides: a bucket's public access block, or its ACL."""
        bucket = target.resource
        if bucket is None or bucket.type != "AWS::S3::Bucket" or principal.account == target.account:
            return
        if verdict.allowed is not NO and grants.anyone is not NO and grants.identity is NO and grants.account is NO:
            if principal.kind is Kind.SERVICE:
                return
            settings = [bucket.get("PublicAccessBlockConfiguration", name) for name in _PUBLIC_ACCESS]
            if not all(str(setting).lower() == "false" for setting in settings):
                verdict.allowed = MAYBE
                verdict.doubts.append(NotModelled("a public bucket policy under a public access block", repr(bucket)))
        elif verdict.allowed is NO and str(bucket.get("AccessControl") or "Private") != "Private":
            verdict.allowed = MAYBE
            verdict.doubts.append(NotModelled(f"the ACL {bucket.get('AccessControl')} of a bucket", repr(bucket)))


def _speaking(statements: list[Statement], action: str) -> _Candidates:
    speaking = [(s, acts) for s in statements if (acts := s.acts(action)) is not NO]
    return _Candidates([s for s in speaking if s[0].denies], [s for s in speaking if s[0].allows])


def _lacking(own: Match, resource: Match, why: str) -> str:
    sides = [
        side
        for side, match in (("the identity's policies", own), ("the resource's policy", resource))
        if match is not YES
    ]
    return f"an Allow in {' and in '.join(sides)} ({why})" if sides else ""
