"""Clients of AWS, made when first asked for: a function pays only for those that it uses.

The SDK is imported there too: the constructs read modules of this package where no SDK is installed.
"""

import gc
import os
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SIDE_BY_SIDE = 25
"""Calls of one function at the same time, and so the connections that a client keeps."""

_CONFIG: dict[str, Any] = {
    "retries": {"mode": "standard", "max_attempts": 5},
    "connect_timeout": 3,
    "read_timeout": 20,
    "max_pool_connections": SIDE_BY_SIDE,
}


def client(name: Any) -> Any:
    """The client of a service with this function's own credentials, for all threads."""
    # A client may be used by many threads, and must be made by one ("Multithreading" in Boto3's guide to clients).
    with _making:
        return _client(name)


_making = Lock()


@cache
def _client(name: Any) -> Any:
    made = _make(name)
    # It stays for as long as the process: no later collection has to look at it again.
    gc.freeze()
    return made


def _make(name: Any, credentials: dict[str, Any] | None = None, **config: Any) -> Any:
    # A client is some hundred thousand objects that stay: a collection in their midst finds nothing, and takes a tenth
    # of a cold start.
    collects = gc.isenabled()
    gc.disable()
    try:
        import boto3
        from botocore.config import Config

        return boto3.client(name, config=Config(**_CONFIG, **config), **(credentials or {}))
    finally:
        if collects:
            gc.enable()


_LARGE = 1 << 20

_sessions: dict[str, tuple[float, "S3Client"]] = {}


def s3_as(role_arn: str, session_name: str) -> "S3Client":
    """An S3 client with the credentials of a role, kept until five minutes before they end.

    Args:
        role_arn: the runtime role of a project.
        session_name: shown in CloudTrail: for whom the credentials were taken; others whom the same function serves
            while they hold share them.
    """
    ends, s3 = _sessions.get(role_arn, (0.0, None))
    if s3 is None or now().timestamp() > ends - 300:
        answer = client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session_name[:64])
        credentials = answer["Credentials"]
        keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
        s3 = _make("s3", keys, signature_version="s3v4")
        s3.meta.events.register("before-send.s3.PutObject", _unasked)
        _sessions[role_arn] = (credentials["Expiration"].timestamp(), s3)
    return s3


def _unasked(request: Any, **_: Any) -> None:
    """Send a small body at once: the SDK asks for leave first ("Expect: 100-continue"), which takes a way and back."""
    if int(request.headers.get("Content-Length", _LARGE)) < _LARGE:
        request.headers.pop("Expect", None)


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def timestamp() -> str:
    """The time as the table keeps it: ISO 8601, UTC, microseconds, so that text order is time order."""
    return written(now())


def written(at: datetime) -> str:
    """A time in UTC as the table keeps it; see `timestamp`."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def setting(name: str) -> str:
    """A setting of this function, from its environment."""
    return os.environ[f"GTPLUS_{name}"]
