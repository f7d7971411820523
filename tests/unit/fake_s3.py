"""A bucket in memory that answers as an S3 client does, with pages as small as wanted, and counts its calls."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from botocore.exceptions import ClientError

AT = datetime(2026, 11, 24, tzinfo=UTC)


class Body(io.BytesIO):
    """The body of an answer."""

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while chunk := self.read(size):
            yield chunk


class S3:
    """One bucket, whatever its name.

    Args:
        keys: its objects.
        page: keys of one page of a listing.
        absent: the code for what is not there.
        region: of the bucket; None where S3 does not say.
        versioned: whether a HEAD tells a version id.
    """

    class exceptions:
        ClientError = ClientError

    def __init__(
        self,
        keys: Mapping[str, bytes],
        page: int = 1_000,
        absent: str = "NoSuchKey",
        region: str | None = "us-east-1",
        versioned: bool = False,
    ) -> None:
        self.keys, self.page, self.absent, self.region, self.versioned = dict(keys), page, absent, region, versioned
        self.calls: Counter[str] = Counter()

    @property
    def listed(self) -> int:
        return self.calls["list"]

    @property
    def headed(self) -> int:
        return self.calls["head"]

    def _there(self, key: str, action: str) -> bytes:
        if key not in self.keys:
            raise ClientError({"Error": {"Code": self.absent}}, action)
        return self.keys[key]

    def head_object(self, Bucket: str, Key: str, **_options: Any) -> dict[str, Any]:
        self.calls["head"] += 1
        content = self._there(Key, "HeadObject")
        version = {"VersionId": "v1"} if self.versioned else {}
        return {"ContentLength": len(content), "ETag": f'"{etag(content)}"', "LastModified": AT, **version}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self.calls["get"] += 1
        content = self._there(Key, "GetObject")
        return {"Body": Body(content), "ETag": f'"{etag(content)}"'}

    def put_object(
        self, Bucket: str, Key: str, Body: Any, IfNoneMatch: str = "", IfMatch: str = "", **_options: Any
    ) -> dict[str, str]:
        self.calls["put"] += 1
        there = self.keys.get(Key)
        if (IfNoneMatch and there is not None) or (IfMatch and (there is None or f'"{etag(there)}"' != IfMatch)):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.keys[Key] = Body if isinstance(Body, bytes) else Body.read()
        return {"ETag": f'"{etag(self.keys[Key])}"'}

    def head_bucket(self, Bucket: str) -> dict[str, Any]:
        return {"BucketRegion": self.region} if self.region else {}

    def list_objects_v2(self, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:
        keys = sorted(key for key in self.keys if key.startswith(Prefix))
        return {"Contents": [{"Key": key} for key in keys[:MaxKeys]]} if keys else {}

    def get_paginator(self, name: str) -> "S3":
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str, StartAfter: str = "") -> Iterator[dict[str, Any]]:
        keys = sorted(key for key in self.keys if key.startswith(Prefix) and key > StartAfter)
        for start in range(0, max(len(keys), 1), self.page):
            self.calls["list"] += 1
            found = keys[start : start + self.page]
            contents = [
                {"Key": k, "Size": len(self.keys[k]), "ETag": f'"{etag(self.keys[k])}"', "LastModified": AT}
                for k in found
            ]
            yield {"Contents": contents} if contents else {}


def etag(content: bytes) -> str:
    """The ETag of an object that was uploaded in one part."""
    return md5(content, usedforsecurity=False).hexdigest()
