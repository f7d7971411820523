"""How a function speaks to AWS: what it sends to S3, without an answer of S3."""

import io
import zlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from gtplus_runtime import aws
from gtplus_runtime.objects import Objects

MEGABYTE = 1 << 20


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Objects of a real client of S3, with a role's credentials."""
    credentials = {"AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": "t"}
    answer = {"Credentials": {**credentials, "Expiration": datetime.now(UTC) + timedelta(hours=1)}}
    monkeypatch.setattr(aws, "client", lambda _: SimpleNamespace(assume_role=lambda **_: answer))
    monkeypatch.setattr(aws, "_sessions", {})
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Objects(aws.s3_as("arn:aws:iam::111122223333:role/runtime", "batch"))


@pytest.fixture
def sent(objects: Objects) -> list[AWSPreparedRequest]:
    """What the client sends."""
    requests: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        requests.append(request)
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, urllib3.HTTPResponse(io.BytesIO()))

    objects.s3.meta.events.register_last("before-send.s3.PutObject", answer)
    return requests


def test_a_small_file_is_sent_at_once_with_its_checksum(objects: Objects, sent: list[AWSPreparedRequest]) -> None:
    objects.write_text("s3://data/labels/notice.txt", "In progress", "text/plain")
    (request,) = sent
    assert "Expect" not in request.headers
    assert (
        request.headers["x-amz-checksum-crc32"].decode() == b64encode(zlib.crc32(b"In progress").to_bytes(4)).decode()
    )
    assert request.body.read() == b"In progress"


def test_a_large_one_waits_for_leave(objects: Objects, sent: list[AWSPreparedRequest]) -> None:
    """A refusal would come after all of it was sent."""
    objects.write_text("s3://data/labels/report.txt", "x" * MEGABYTE, "text/plain")
    objects.keep_file("s3://data/labels/inventory.jsonl", io.BytesIO(b"x" * MEGABYTE))
    assert [request.headers["Expect"] for request in sent] == [b"100-continue"] * 2
