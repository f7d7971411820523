"""Who labels: a profile that holds every fact of a provider, and nothing else of the library does."""

import re
from abc import ABC, abstractmethod
from typing import Literal

from aws_cdk import Token
from aws_cdk import aws_iam as iam

from gtplus_constructs._validation import check_id, raise_all
from gtplus_runtime.places import Limits
from gtplus_runtime.problems import Problem, shown

ConfusedDeputy = Literal["if-exists", "required", "none"]
"""How the trust in a service principal is tied to this account by `aws:SourceAccount`."""

NO_LIMITS = Limits(
    region=None,
    max_files=100_000,
    max_file_bytes=2_000_000_000,
    max_batch_bytes=10_000_000_000_000,
    max_in_transfer=5,
    formats="any",
)
"""Limits for a provider of one's own: those of ordinary Ground Truth where it has any (100,000 items a job), and files
of any format."""


class LabelingProvider(ABC):
    """What a provider profile says; derive from it to let somebody else label.

    Attributes:
        name: an id of 1 to 48 lower-case letters, digits and hyphens. Batches in transfer are counted by it.
        limits: what it takes.
        notice: a stable id and a sentence that synth warns with, or None.
    """

    name: str
    limits: Limits
    notice: tuple[str, str] | None = None

    @abstractmethod
    def trust(self, account: str) -> iam.IPrincipal | None:
        """Who may assume the data role; None for a provider that has none.

        Args:
            account: the account of the role.
        """

    def reporter(self) -> iam.IPrincipal | None:
        """Who may assume a role of its own to report statuses; None where somebody of this account reports."""
        return None


class GroundTruthPlus(LabelingProvider):
    """SageMaker Ground Truth Plus, or whoever acts in its stead under its principal. The default.

    The role's trust names `sagemaker-ground-truth-plus.amazonaws.com`, as the page "Create a project" of its developer
    guide says. No page says which condition keys the service sends, so by default a call that names an account must
    name this one, and a call that names none passes: a condition on a key that is not sent would lock the role out.

    To see what it sends in your account: create a project with this role, look in CloudTrail for its `AssumeRole`, and
    choose `required` if the call names `aws:SourceAccount`.

    Args:
        confused_deputy: `if-exists` (default) as above; `required` refuses calls that name no account; `none` trusts
            the principal alone.
        limits: default: those that the service documents, with its region us-east-1.

    Raises:
        ValueError: for another `confused_deputy`.
    """

    principal = "sagemaker-ground-truth-plus.amazonaws.com"
    """The service principal."""

    name = "ground-truth-plus"

    notice = (
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


class ExternalAccount(LabelingProvider):
    """A labeling vendor that works from an AWS account of its own.

    It gets two roles in each project, both with a required external id ("The confused deputy problem" in the IAM user
    guide): the data role, and a reporting role that may call the report paths of its project and nothing else.

    Args:
        account_id: the vendor's account, 12 digits.
        external_id: agreed with the vendor, 8 to 1,224 characters; best a random one for you alone.
        name: of the vendor. Default: `vendor-<account_id>`.
        limits: what it takes. Default: no region, 100,000 files a batch.

    Raises:
        ValueError: naming every option that does not fit.
    """

    def __init__(
        self, *, account_id: str, external_id: str, name: str | None = None, limits: Limits | None = None
    ) -> None:
        self.name = f"vendor-{account_id}" if name is None else name
        self.limits = NO_LIMITS if limits is None else limits
        problems = []
        if not Token.is_unresolved(account_id) and not re.fullmatch(r"\d{12}", account_id):
            problems.append(Problem('"account_id"', "12 digits", shown(account_id), "ask the vendor for its account"))
        # Of the alphabet and the length that STS takes; fewer than 8 characters could be guessed.
        if not Token.is_unresolved(external_id) and not re.fullmatch(r"[\w+=,.@:/-]{8,1224}", external_id):
            rule = "8 to 1,224 letters, digits and _+=,.@:/-"
            problems.append(Problem('"external_id"', rule, f"{len(external_id)} characters", "agree on such an id"))
        if not Token.is_unresolved(account_id):
            problems += check_id("name", self.name)
        raise_all("ExternalAccount", problems)
        self._principal = iam.PrincipalWithConditions(
            iam.AccountPrincipal(account_id), {"StringEquals": {"sts:ExternalId": external_id}}
        )

    def trust(self, account: str) -> iam.IPrincipal:
        """The vendor's account, with its external id."""
        del account  # the vendor's is told at the start
        return self._principal

    def reporter(self) -> iam.IPrincipal:
        """The vendor's account, with its external id."""
        return self._principal


class InHouse(LabelingProvider):
    """A team of one's own, without AWS credentials: no data role; its people get links that read and write for a while.

    Args:
        name: of the team. Default: `in-house`.
        limits: what it takes. Default: no region, 100,000 files a batch.

    Raises:
        ValueError: for a name that does not fit.
    """

    def __init__(self, *, name: str = "in-house", limits: Limits | None = None) -> None:
        raise_all("InHouse", check_id("name", name))
        self.name = name
        self.limits = NO_LIMITS if limits is None else limits

    def trust(self, account: str) -> None:
        """Nobody: there is no data role."""
        del account
