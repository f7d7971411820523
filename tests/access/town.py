"""The town that the promises are about: one workspace, and a project with a neighbour in every kind of bucket."""

import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import aws_cdk as cdk
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gtplus_constructs import (
    DataAccessRole,
    DataGrant,
    ExternalAccount,
    LabelingBucket,
    LabelingProject,
    LabelingWorkspace,
)

Body: TypeAlias = dict[str, Any]

ACCOUNT, VENDOR, STRANGER = "111111111111", "222222222222", "999999999999"
REGION = "us-east-1"
EXTERNAL_ID = "agreed-between-us"
IMPORTED_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"

OURS = "ours"
PLACES = (
    OURS,
    "ours, the key imported",
    "the app's, without a key",
    "imported, the key ours",
    "imported, the key imported",
    "imported, without a key",
)
"""The kinds of bucket: whose it is, and what encrypts it."""


@cache
def recommended_flags() -> dict[str, Any]:
    """What `cdk init` writes into a new app's `cdk.json`: every flag that aws-cdk-lib recommends."""
    (archive,) = Path(cdk.__file__).parent.glob("_jsii/*.jsii.tgz")
    with tarfile.open(archive) as library:
        file = library.extractfile("package/recommended-feature-flags.json")
        assert file is not None
        flags: dict[str, Any] = json.load(file)
    assert flags["@aws-cdk/aws-events:eventsTargetQueueSameAccount"] is True
    return flags


FLAGS: dict[str, Callable[[], dict[str, Any]]] = {
    # Strict, as `cdk.json` is here; among the recommended ones is another, which lets warnings be warnings.
    "no flags": lambda: {"@aws-cdk/core:strictCfnValidateErrors": True},
    "all flags": recommended_flags,
}
"""The feature flags of the consumer's app."""


@dataclass(frozen=True)
class Place:
    """One bucket, the project whose data lie there, and who has to do with it.

    Attributes:
        bucket: the bucket.
        project: reads `raw/`, writes `labels/`.
        neighbour: the data role of somebody else's grant in the same bucket: `raw-2/` and `labels-2/`.
        people: roles by what they may do in the project.
    """

    bucket: s3.IBucket
    project: LabelingProject
    neighbour: DataAccessRole
    people: Mapping[str, iam.Role]

    @property
    def grant(self) -> DataGrant:
        """What the project may reach."""
        return self.project.grants[0]

    @property
    def imported(self) -> bool:
        """Whether the bucket is not of this app, so that no policy of it can be written."""
        return not isinstance(self.bucket, s3.Bucket)


@dataclass
class Town:
    """The app, before it is synthesized."""

    stack: cdk.Stack
    workspace: LabelingWorkspace
    vendor: LabelingProject
    operator: iam.Role
    mender: iam.Role
    inviter: iam.Role
    places: dict[str, Place] = field(default_factory=dict)

    def warnings(self, id: str) -> list[str]:
        """What synth says under a stable id."""
        found = assertions.Annotations.from_stack(self.stack).find_warning("*", assertions.Match.any_value())
        return [str(message.entry.data) for message in found if id in str(message.entry.data)]


def build(outdir: Path, flags: Mapping[str, Any], *, revoked: bool = False, places: tuple[str, ...] = PLACES) -> Town:
    """The app of a consumer.

    Args:
        outdir: for the cloud assembly.
        flags: the feature flags that it has set.
        revoked: whether every project's bucket is revoked in it.
        places: the kinds of bucket that it has.
    """
    # A part of it is validated no better than the whole, and that takes longer than the rest of a synth.
    app = cdk.App(context=dict(flags), outdir=str(outdir), builtin_cloud_formation_validation=places == PLACES)
    stack = cdk.Stack(app, "Town", env=cdk.Environment(account=ACCOUNT, region=REGION))
    workspace = LabelingWorkspace(stack, "Workspace")
    vendor = LabelingProject(
        stack,
        "Vendor",
        workspace=workspace,
        data=DataGrant(LabelingBucket(stack, "VendorsBucket"), read="raw/", write="labels/"),
        provider=ExternalAccount(account_id=VENDOR, external_id=EXTERNAL_ID),
    )
    operator = person(stack, "Operator")
    workspace.grant_operate(operator)
    mender = person(stack, "Mender")
    workspace.grant_redrive(mender)
    workspace.grant_notify(mender)
    inviter = person(stack, "Inviter")
    workspace.grant_team(inviter)
    town = Town(stack, workspace, vendor, operator, mender, inviter)
    for number, kind in enumerate(places):
        town.places[kind] = _settle(town, kind, f"Signs{number or ''}")
        if revoked:
            town.places[kind].project.revoke(town.places[kind].bucket)
    return town


def person(scope: Construct, name: str) -> iam.Role:
    """A role that principals of this account can be allowed to assume."""
    return iam.Role(scope, name, assumed_by=iam.AccountRootPrincipal())


def _settle(town: Town, kind: str, name: str) -> Place:
    stack = town.stack
    bucket, key = _bucket(stack, kind, name)

    def grant(suffix: str) -> DataGrant:
        return DataGrant(bucket, read=f"raw{suffix}/", write=f"labels{suffix}/", encryption_key=key)

    project = LabelingProject(stack, name, workspace=town.workspace, data=grant(""))
    neighbour = DataAccessRole(stack, f"{name}Neighbour", grants=grant("-2"))
    grants = {
        "requester": project.grant_request,
        "reviewer": project.grant_review,
        "reporter": project.grant_report,
        "uploader": project.grant_data,
    }
    people = {}
    for who, give in grants.items():
        people[who] = person(stack, f"{name}{who.capitalize()}")
        give(people[who])
    return Place(bucket, project, neighbour, people)


def _bucket(stack: cdk.Stack, kind: str, name: str) -> tuple[s3.IBucket, kms.IKey | None]:
    """A bucket of a kind, and the key that a grant must be told of."""
    ours, imported = f"{name}Key", f"{name}ImportedKey"
    match kind:
        case "ours":
            return LabelingBucket(stack, f"{name}Bucket"), None
        case "ours, the key imported":
            key = kms.Key.from_key_arn(stack, imported, IMPORTED_KEY)
            return LabelingBucket(stack, f"{name}Bucket", encryption_key=key), None
        case "the app's, without a key":
            return s3.Bucket(stack, f"{name}Bucket"), None
        case "imported, the key ours":
            return s3.Bucket.from_bucket_name(stack, f"{name}Bucket", "old-1"), kms.Key(stack, ours)
        case "imported, the key imported":
            key = kms.Key.from_key_arn(stack, imported, IMPORTED_KEY)
            return s3.Bucket.from_bucket_name(stack, f"{name}Bucket", "old-2"), key
        case "imported, without a key":
            return s3.Bucket.from_bucket_name(stack, f"{name}Bucket", "old-3"), None
    raise AssertionError(kind)
