"""Where a project is: what its construct has registered in one SSM parameter, read by every function."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from gtplus_runtime.problems import Problem

_KEPT_SECONDS = 30.0
_cache: dict[str, tuple[float, "Place"]] = {}


class Grant(NamedTuple):
    """One bucket of a project.

    Attributes:
        bucket: its name.
        read: prefixes that hold input; each ends in `/`.
        write: prefixes that take labels.
    """

    bucket: str
    read: tuple[str, ...]
    write: tuple[str, ...]


class Limits(NamedTuple):
    """What a provider takes; the default is Ground Truth Plus's.

    Source: "Create a batch" of the Ground Truth Plus pages in the Amazon SageMaker developer guide.

    Attributes:
        region: where the data must lie, or None for anywhere.
        max_files: files of a batch.
        max_file_bytes: bytes of one file.
        max_batch_bytes: bytes of a batch, which must have less.
        max_in_transfer: batches in data transfer at once.
        max_projects_in_review: projects in *Review in progress* at once.
        formats: the profile of file formats: `ground-truth-plus`, `ground-truth`, or `any` (see `formats.py`).
    """

    region: str | None = "us-east-1"
    max_files: int = 10_000
    max_file_bytes: int = 2_000_000_000
    max_batch_bytes: int = 100_000_000_000
    max_in_transfer: int = 5
    max_projects_in_review: int = 5
    formats: str = "ground-truth-plus"

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Limits":
        """The limits from JSON; names that this release does not know are left out, since a newer one may write it."""
        # A template's JSON leaves out what is None: without the region's default, anywhere would become us-east-1.
        return cls(**{"region": None} | {name: limit for name, limit in value.items() if name in cls._fields})


GROUND_TRUTH_PLUS = Limits()
"""SageMaker Ground Truth Plus."""

GROUND_TRUTH = Limits(
    region=None,
    max_files=100_000,
    max_file_bytes=2_000_000_000,
    max_batch_bytes=10_000_000_000_000,
    formats="ground-truth",
)
"""Ordinary Ground Truth ("Input Data Quotas" in the developer guide); of semantic segmentation it takes 20,000 items:
`GROUND_TRUTH._replace(max_files=20_000)`. It has no limit for the bytes of a dataset, so a large
one stands there."""


LIMITS = {limits.formats: limits for limits in (GROUND_TRUTH_PLUS, GROUND_TRUTH)}
"""The limits that are written down somewhere, by the name of their formats."""


class Place(NamedTuple):
    """The place of a project: everything about it that is deployed and not said by people.

    Attributes:
        project: its id.
        provider: who labels, by name; transfer slots are counted by it.
        limits: the provider's.
        grants: its buckets.
        data_role_arn: the role that the provider assumes.
        runtime_role_arn: the role through which our functions reach its data.
        settings: `sampleSize`, `sampleMethod`, `maxErrorRate`, `maxRounds`, `separationOfDuties`, `serviceLevels`,
            `remindEvery`.
    """

    project: str
    provider: str
    limits: Limits
    grants: tuple[Grant, ...]
    data_role_arn: str
    runtime_role_arn: str
    settings: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place from the value of its parameter."""
        return cls.of(json.loads(text))

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Place":
        """The place from what its parameter holds."""
        return cls(
            project=value["project"],
            provider=value["provider"],
            limits=Limits.of(value["limits"]),
            grants=tuple(Grant(g["bucket"], tuple(g["read"]), tuple(g["write"])) for g in value["grants"]),
            data_role_arn=value["dataRoleArn"],
            runtime_role_arn=value["runtimeRoleArn"],
            settings=value["settings"],
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """The S3 URIs of the prefixes that hold input."""
        return tuple(f"s3://{grant.bucket}/{prefix}" for grant in self.grants for prefix in grant.read)

    @property
    def writes(self) -> tuple[str, ...]:
        """The S3 URIs of the prefixes that take labels."""
        return tuple(f"s3://{grant.bucket}/{prefix}" for grant in self.grants for prefix in grant.write)

    def check_uri(self, field: str, uri: str, side: str) -> list[Problem]:
        """What is wrong with an S3 URI that must lie in a granted prefix.

        Args:
            field: the name of the field, for the error.
            uri: the URI.
            side: `read` or `write`.
        """
        bucket, key = split_uri(uri)
        prefixes = [(g.bucket, p) for g in self.grants for p in getattr(g, side)]
        if any(bucket == name and key.startswith(prefix) for name, prefix in prefixes):
            return []
        allowed = ", ".join(f"s3://{name}/{prefix}" for name, prefix in prefixes)
        verb = "reads" if side == "read" else "writes"
        return [Problem(field, f"must lie in a prefix that this project {verb}", uri, f"choose one under {allowed}")]


DATA_ROLES = "gtplus/data/"
"""The path of the data roles that the constructs make: by it a bucket knows them all, without a reference to any."""

OURS = "gtplus/"
"""The folder of a batch's output location that holds our own files: a provider's role can read it and never write it,
so nobody can change what a batch was decided on."""


def check_output(place: Place, uri: str) -> list[Problem]:
    """What is wrong with a batch's output location: one folder right under a prefix that the project writes.

    So none lies inside another's, and none inside our own files.
    """
    problems = place.check_uri("output", uri, "write")
    if problems:
        return problems
    bucket, key = split_uri(uri)
    folders = [key.removeprefix(p) for g in place.grants if g.bucket == bucket for p in g.write if key.startswith(p)]
    # Our longest file name below it has about 70 bytes; a key has at most 1,024 ("Naming Amazon S3 objects").
    fits = len(key.encode()) <= 900
    if fits and any(re.fullmatch(r"[^/]+/", folder) and folder != OURS for folder in folders):
        return []
    first = place.grants[0]
    mend = f"write e.g. s3://{first.bucket}/{first.write[0] if first.write else ''}digits-001/"
    return [
        Problem(
            "output", "one folder right under a prefix of the project, ending in /, of at most 900 bytes", uri, mend
        )
    ]


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def find_place(project: str) -> Place | None:
    """The place of a project, or None where no construct of that id is deployed."""
    # Here, since limits and grants are read at synth too, and by a user's own check, where boto3 may be missing.
    from gtplus_runtime import aws

    kept, place = _cache.get(project, (0.0, None))
    if place is not None and time.monotonic() - kept < _KEPT_SECONDS:
        return place
    ssm = aws.client("ssm")
    try:
        value = ssm.get_parameter(Name=f"{aws.setting('PROJECTS')}/{project}")["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None
    place = Place.parse(value)
    _cache[project] = (time.monotonic(), place)
    return place
