"""Decisions in words: which statement decided, and which came nearest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from .attachments import Target
from .context import Context
from .errors import NotModelled
from .evaluate import Evaluator, Verdict
from .policy import Statement
from .principals import Named, Principal
from .template import Template
from .unknown import readable


class Outcome(Enum):
    """What AWS answers."""

    ALLOWED = "allowed"
    EXPLICITLY_DENIED = "explicitly denied"
    IMPLICITLY_DENIED = "implicitly denied"


@dataclass(frozen=True, slots=True)
class DecidingStatement:
    """A statement that decided.

    Attributes:
        effect: ``Allow`` or ``Deny``.
        sid: Its Sid, empty if it has none.
        policy: The policy's name, or what kind it is.
        logical_id: The resource that holds it.
        stack: The stack.
        path: The way to it in the template.
        line: Its line in the file that CDK wrote, if there is one.
    """

    effect: str
    sid: str
    policy: str
    logical_id: str
    stack: str
    path: str
    line: int | None = None

    def __str__(self) -> str:
        sid = f" {self.sid!r}" if self.sid else ""
        line = f", line {self.line}" if self.line else ""
        path = f", {self.path}" if self.path else ""
        return f"{self.effect}{sid} in {self.policy!r} of {self.logical_id} ({self.stack}{line}{path})"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question. True if allowed.

    Attributes:
        outcome: Allowed, explicitly denied or implicitly denied.
        principal: Who asked.
        action: For what.
        resource: On what.
        context: The condition keys that the question gave.
        keys: All condition keys that were judged by, those that AWS fills in too, in lower case with their values;
            ``None`` for a key that the request lacks.
        statements: The statements that decided; none for an implicit denial.
        lacking: For an implicit denial, what would still have been needed.
    """

    outcome: Outcome
    principal: str
    action: str
    resource: str
    context: Mapping[str, object] = field(default_factory=dict)
    statements: tuple[DecidingStatement, ...] = ()
    lacking: str = ""
    keys: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def allowed(self) -> bool:
        """Whether AWS would let it through."""
        return self.outcome is Outcome.ALLOWED

    @property
    def explicitly_denied(self) -> bool:
        """Whether a Deny decided, so that no Allow anywhere helps."""
        return self.outcome is Outcome.EXPLICITLY_DENIED

    @property
    def implicitly_denied(self) -> bool:
        """Whether it was only that Allows were lacking, so that another one would let it through."""
        return self.outcome is Outcome.IMPLICITLY_DENIED

    def __str__(self) -> str:
        decided = "\n".join(f"    {statement}" for statement in self.statements)
        context = ", ".join(f"{key}={value!r}" for key, value in self.context.items())
        lines = [
            f"{self.principal}",
            f"  asked for {self.action} on {readable(self.resource)}" + (f" with {context}" if context else ""),
            f"  and is {self.outcome.value}" + (f" by\n{decided}" if decided else ""),
        ]
        if self.lacking:
            lines.append(f"  lacking: {self.lacking}")
        return "\n".join(lines)


class Explainer:
    """Puts verdicts into words.

    Args:
        evaluator: The evaluator of the question.
        templates: The loaded templates, for line numbers.
    """

    def __init__(self, evaluator: Evaluator, templates: Iterable[Template]) -> None:
        self._evaluator = evaluator
        self.templates = list(_flat(templates))
        self._templates = {template.name: template for template in self.templates}

    def statement(self, statement: Statement, *, line: bool = False) -> DecidingStatement:
        """A statement with its place; the line costs a walk over the template."""
        place = statement.place
        template = self._templates.get(place.stack)
        return DecidingStatement(
            effect="Deny" if statement.denies and not statement.allows else "Allow",
            sid=statement.sid,
            policy=readable(place.policy),
            logical_id=readable(place.logical_id),
            stack=(template.file or place.stack) if template and line else place.stack,
            path="/".join(str(step) for step in place.path),
            line=template.line(place.path) if template and line else None,
        )

    def doubt(self, verdict: Verdict, principal: Principal, action: str, resource: str, keys: Context) -> NotModelled:
        """Why a verdict cannot be told."""
        reasons: list[str] = []
        places: list[str] = []
        for doubt in verdict.doubts:
            found = (
                [doubt] if isinstance(doubt, NotModelled) else doubt.doubts(principal, action.lower(), resource, keys)
            )
            for reason in found:
                if reason.what not in reasons:
                    reasons.append(reason.what)
                    places.append(reason.where)
        asked = f"{principal}: {action} on {readable(resource)} cannot be decided"
        if not reasons:
            return NotModelled(asked)
        listed = [f"{what}\n      at {where}" if where else what for what, where in zip(reasons, places, strict=True)]
        return NotModelled(f"{asked}, because it depends on\n    " + "\n    ".join(listed))

    def nearest(
        self, principal: Principal, action: str, target: Target, resource: str, keys: Context, *, allow: bool
    ) -> str:
        """The statement of an effect that came nearest to matching, and why it did not."""
        best: tuple[tuple[int, int], Statement, list[str]] | None = None
        for statement in self._consulted(principal, target):
            if not (statement.allows if allow else statement.denies):
                continue
            wrong = statement.explain(principal, action, resource, keys)
            if not wrong:
                continue
            # Of statements with as few faults the one that speaks of the action is the one that people mean.
            rank = (len(wrong), 0 if statement.acts(action) else 1)
            if best is None or rank < best[0]:
                best = rank, statement, wrong
        if best is None:
            return ""
        _, statement, wrong = best
        effect = "Allow" if allow else "Deny"
        reasons = "\n".join(f"      {reason}" for reason in wrong)
        return f"  nearest {effect}: {self.statement(statement, line=True)}\n    which does not match:\n{reasons}"

    def _consulted(self, principal: Principal, target: Target) -> list[Statement]:
        own, boundary = self._evaluator.policies(principal)
        on_resource = [s for s in target.statements if s.names(principal) is not Named.NOBODY or s.problem]
        others = [s for s in target.statements if s.names(principal) is Named.NOBODY]
        return [*own, *(boundary or []), *on_resource, *others]


def _flat(templates: Iterable[Template]) -> Iterable[Template]:
    for template in templates:
        yield template
        yield from _flat(template.nested.values())
