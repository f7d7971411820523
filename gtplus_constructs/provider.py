"""Who labels: a profile that holds every fact of a provider, and nothing else of the library does."""

from typing import Literal, Protocol, runtime_checkable

from aws_cdk import aws_iam as iam

from gtplus_constructs._validation import raise_all
from gtplus_runtime.places import Limits
from gtplus_runtime.problems import Problem, shown

ConfusedDeputy = Literal["if-exists", "required", "none"]
"""How the trust in a service principal is tied to this account by `aws:SourceAccount`."""


@runtime_checkable
class LabelingProvider(Protocol):
    """What a provider profile says; implement it to let somebody else label.

    Attributes:
        name: an id of 1 to 48 lower-case letters, digits and hyphens. Batches in transfer are counted by it.
        limits: what it takes.
        notice: a stable id and a sentence that synth warns with, or None.
    """

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def notice(self) -> tuple[str, str] | None: ...

    def trust(self, account: str) -> iam.IPrincipal:
        """Who may assume the data role.

        Args:
            account: the account of the role.
        """
        ...


class GroundTruthPlus:
    """SageMaker Ground Truth Plus, or whoever acts in its stead under its principal. The default.

    The role's trust names `sagemaker-ground-truth-plus.amazonaws.com`, as the page "Create a project" of its developer
    guide says. No page says which condition keys the service sends, so by default a call that names an account must
    name this one, and a call that names none passes: a condition on a key that is not sent would lock the role out.

    Args:
        confused_deputy: `if-exists` (default) as above; `required` refuses calls that name no account: choose it once
            CloudTrail has shown that the service names it; `none` trusts the principal alone.
        limits: default: those that the service documents, with its region us-east-1.

    Raises:
        ValueError: for another `confused_deputy`.
    """

    principal = "sagemaker-ground-truth-plus.amazonaws.com"
    """The service principal."""

    name = "ground-truth-plus"

    notice: tuple[str, str] | None = (
        "gtplus:GroundTruthPlusEnded",
        "SageMaker Ground Truth Plus reached its end of support on 2026-06-30: under this profile somebody else has to "
        "label. Everything but the trust of the data role works with any provider; if IAM one day refuses the "
        "service's principal, give the project another `provider`.",
    )

    def __init__(self, *, confused_deputy: ConfusedDeputy = "if-exists", limits: Limits | None = None) -> None:
        if confused_deputy not in ("if-exists", "required", "none"):
            rule, mend = "if-exists, required or none", "choose one of them"
            raise_all("GroundTruthPlus", [Problem('"confused_deputy"', rule, shown(confused_deputy), mend)])
        self.confused_deputy = confused_deputy
        self.limits = Limits() if limits is None else limits

    def trust(self, account: str) -> iam.IPrincipal:
        """The service principal, tied to the account."""
        operators = {"if-exists": "StringEqualsIfExists", "required": "StringEquals"}
        operator = operators.get(self.confused_deputy)
        conditions = {operator: {"aws:SourceAccount": account}} if operator else {}
        return iam.ServicePrincipal(self.principal, conditions=conditions)
