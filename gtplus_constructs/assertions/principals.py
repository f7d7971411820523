"""Who asks, and whether a Principal element names them.

Rules: IAM User Guide, "AWS JSON policy elements: Principal", "… NotPrincipal", "Policy evaluation logic".
"""

import re
from dataclasses import dataclass, field
from enum import Enum, IntFlag

from .errors import NotModelled
from .patterns import glob
from .unknown import UNKNOWN, is_unknown, readable

_ACCOUNT = re.compile(r"\d{12}")
_IDENTITY_ARN = re.compile(r"arn:(?P<partition>[^:]+):(?P<service>iam|sts)::(?P<account>\d{12}):(?P<resource>.+)")


class Kind(Enum):
    """What sort of principal asks."""

    ROLE = "role"
    USER = "user"
    ROOT = "root"
    SERVICE = "service"
    FEDERATED = "federated"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request.

    Attributes:
        kind: What sort of principal it is.
        name: ARN of the role, user or root; name of the service or identity provider; empty if anonymous.
        account: Its account; ``None`` for services, providers and the anonymous.
        session: The session's name, for a role of which it matters.
        label: How people call it.
        trusted_by_owner: Its own account allows it everything: nobody here knows its policies.
    """

    kind: Kind
    name: str
    account: str | None = None
    session: str | None = None
    label: str = field(default="", compare=False)
    trusted_by_owner: bool = False

    @property
    def arns(self) -> tuple[str, ...]:
        """From the account to the session: each ARN under which it is known."""
        if self.kind not in (Kind.ROLE, Kind.USER, Kind.ROOT):
            return ()
        partition = self.name.split(":")[1]
        root = f"arn:{partition}:iam::{self.account}:root"
        if self.kind is Kind.ROOT:
            return (root,)
        session = self.session_arn
        return (root, self.name, session) if session else (root, self.name)

    @property
    def session_arn(self) -> str | None:
        """The ARN of the role's session, if its name was given."""
        return f"{self.session_prefix}{self.session}" if self.session is not None else None

    @property
    def session_prefix(self) -> str:
        """What the ARNs of all the role's sessions start with."""
        return f"arn:{self.name.split(':')[1]}:sts::{self.account}:assumed-role/{self.name.rsplit('/', 1)[-1]}/"

    def __str__(self) -> str:
        return self.label or self.name or self.kind.value


def from_arn(arn: str, *, session: str | None = None, label: str = "") -> Principal:
    """The principal of an IAM or STS ARN, whose own account allows it everything.

    Raises:
        ValueError: If it is not the ARN of a role, a user or an account's root.
    """
    found = _IDENTITY_ARN.fullmatch(arn)
    if found and found["service"] == "iam" and not re.search(r"[*?]", arn):
        account, resource = found["account"], found["resource"]
        kind, _, rest = resource.partition("/")
        if resource == "root":
            return Principal(Kind.ROOT, arn, account, label=label, trusted_by_owner=True)
        if kind in ("role", "user") and rest and (kind == "role" or session is None):
            return Principal(Kind(kind), arn, account, session, label, trusted_by_owner=True)
    raise ValueError(
        f"principal {readable(arn)!r}: give the ARN of a role, a user or an account's root, without wildcards; "
        "for one session of a role, give the role's ARN and session=…"
    )


class Named(IntFlag):
    """How a Principal element names somebody. The way decides what else is needed for an Allow."""

    NOBODY = 0
    ACCOUNT = 1  # the account, which may delegate to its identities by their own policies
    IDENTITY = 2  # the role, user, service or provider itself
    SESSION = 4  # the session of the role
    ANYONE = 8  # *
    DOUBTFUL = 16  # it may be named, in a way that is not modelled


class PrincipalElement:
    """A Principal or NotPrincipal element.

    Args:
        element: The element, intrinsics resolved.
        inverted: Whether it is NotPrincipal.

    Raises:
        NotModelled: If the element is none that IAM accepts.
    """

    __slots__ = ("_cache", "_doubtful", "_names", "inverted", "text")

    def __init__(self, element: object, *, inverted: bool) -> None:
        self.inverted = inverted
        self.text = readable(str(element))
        self._names: set[tuple[str, str]] = set()
        self._doubtful: list[tuple[str, str, str]] = []
        self._cache: dict[Principal, Named] = {}
        if element == "*":
            self._names.add(("AWS", "*"))
            return
        if not isinstance(element, dict) or not element:
            raise NotModelled(f"the principal {readable(str(element))}")
        for kind, names in element.items():
            for name in names if isinstance(names, list) else [names]:
                if not isinstance(name, str):
                    raise NotModelled(f"the principal {kind}: {readable(str(name))}")
                self._add(kind, name)

    def names(self, principal: Principal) -> Named:
        """How the element names a principal (for NotPrincipal: whether it is outside the list)."""
        named = self._cache.get(principal)
        if named is None:
            named = self._outside(principal) if self.inverted else self._inside(principal)
            self._cache[principal] = named
        return named

    def doubts(self, principal: Principal) -> list[NotModelled]:
        """Why it cannot be told whether the principal is named, if so."""
        if self.names(principal) & Named.DOUBTFUL == 0:
            return []
        doubts = [NotModelled(why) for kind, name, why in self._doubtful if self._may_be(principal, kind, name)]
        if self._names_another_session(principal):
            doubts.append(NotModelled(f"a session of {principal} is named; ask about one: of(role, session=…)"))
        return doubts or [
            NotModelled("NotPrincipal that lists only some of the principal's account, role or user, and session")
        ]

    def _add(self, kind: str, name: str) -> None:
        known = f"{kind}: {readable(name)}"
        if kind == "AWS" and _ACCOUNT.fullmatch(name):
            self._names.add(("ACCOUNT", name))
        elif kind == "AWS" and name.endswith(":root") and _IDENTITY_ARN.fullmatch(name):
            self._names.add(("ACCOUNT", name.split(":")[4]))
        elif kind == "AWS" and name == "*":
            self._names.add(("AWS", "*"))
        elif is_unknown(name):
            what = UNKNOWN.findall(name)[0]
            self._doubtful.append((kind, name, f"the principal {known}: the template does not tell {what}"))
        elif kind == "CanonicalUser":
            self._doubtful.append((kind, name, f"the canonical user {name}, who may be anybody"))
        elif kind not in ("AWS", "Service", "Federated"):
            raise NotModelled(f"the principal {known}")
        elif "*" in name or "?" in name:
            self._doubtful.append((kind, name, f"a wildcard inside a principal, {known}"))
        elif kind == "AWS" and re.fullmatch(r"A[A-Z]{3}[A-Z0-9]{12,}", name):
            self._doubtful.append((kind, "*", f"the unique id {name} as principal, which no template tells"))
        elif kind == "AWS" and not _IDENTITY_ARN.fullmatch(name):
            raise NotModelled(f"the principal {known}")
        else:
            self._names.add((kind, name))

    def _inside(self, principal: Principal) -> Named:
        named = Named.NOBODY
        names = self._names
        if ("AWS", "*") in names:
            named |= Named.ANYONE
        if principal.kind is Kind.SERVICE:
            named |= Named.IDENTITY if ("Service", principal.name) in names else Named.NOBODY
        elif principal.kind is Kind.FEDERATED:
            named |= Named.IDENTITY if ("Federated", principal.name) in names else Named.NOBODY
        elif principal.kind is not Kind.ANONYMOUS:
            if ("ACCOUNT", str(principal.account)) in names:
                named |= Named.IDENTITY if principal.kind is Kind.ROOT else Named.ACCOUNT
            if ("AWS", principal.name) in names:
                named |= Named.IDENTITY
            if principal.session is not None and ("AWS", str(principal.session_arn)) in names:
                named |= Named.SESSION
        if any(self._may_be(principal, kind, name) for kind, name, _ in self._doubtful):
            named |= Named.DOUBTFUL
        if self._names_another_session(principal):
            named |= Named.DOUBTFUL
        return named

    def _outside(self, principal: Principal) -> Named:
        listed = self._inside(principal)
        if listed & Named.ANYONE:
            return Named.NOBODY
        if listed is Named.NOBODY:
            return Named.ANYONE
        if principal.kind in (Kind.SERVICE, Kind.FEDERATED, Kind.ROOT) and listed is Named.IDENTITY:
            return Named.NOBODY
        # IAM asks for the account, the role and its session in the list, and says that less "might" deny.
        whole = Named.ACCOUNT | Named.IDENTITY
        if principal.kind is Kind.ROLE:
            whole |= Named.SESSION
        return Named.NOBODY if listed & ~Named.DOUBTFUL == whole else Named.DOUBTFUL

    def _may_be(self, principal: Principal, kind: str, name: str) -> bool:
        if principal.kind is Kind.ANONYMOUS:
            return False
        expected = {Kind.SERVICE: "Service", Kind.FEDERATED: "Federated"}.get(principal.kind, "AWS")
        if kind == "CanonicalUser":
            return expected == "AWS"
        if kind != expected:
            return False
        loose = glob(UNKNOWN.sub("*", name))
        known_as = [principal.name, *principal.arns, principal.session_prefix + "x" if principal.arns else ""]
        return any(loose(arn) for arn in [*known_as, principal.account or ""])

    def _names_another_session(self, principal: Principal) -> bool:
        if principal.kind is not Kind.ROLE or principal.session is not None:
            return False
        prefix = principal.session_prefix
        return any(kind == "AWS" and name.startswith(prefix) for kind, name in self._names)
