"""Listing and checking a prefix of a million keys: how much of the time is the LIST calls themselves.

boto3 talks HTTP to a stub of S3 in another process, on this machine, that answers ListObjectsV2 with pages of 1,000
keys and nothing else. It answers at once, where S3 takes some hundred milliseconds a page: there the share of the calls
is larger still. `calls` is a bare loop over `list_objects_v2`; `under` is what a batch is listed with; `check` is the
check of a whole prefix. The time in the calls is measured in the same run, around each of them.

    python benchmarks/listing.py [--keys 1000000]
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).parents[1] / "lambdas"))

from gtplus_runtime.check import check_manifest
from gtplus_runtime.objects import Objects
from gtplus_runtime.places import GROUND_TRUTH

PAGE = 1_000


def page(first: int, keys: int) -> bytes:
    """One answer of ListObjectsV2."""
    last = min(first + PAGE, keys)
    contents = "".join(
        f"<Contents><Key>raw/camera-north/frame-{number:08}.jpg</Key><LastModified>2026-11-24T10:00:00.000Z"
        f"</LastModified><ETag>&quot;{number:032x}&quot;</ETag><Size>{number % 90_000}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(first, last)
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>bucket</Name><Prefix>raw/</Prefix><KeyCount>{last - first}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
        f"{more if last < keys else '<IsTruncated>false</IsTruncated>'}{contents}</ListBucketResult>"
    ).encode()


class Stub(BaseHTTPRequestHandler):
    """Answers with a page, and counts."""

    protocol_version = "HTTP/1.1"
    keys = 0
    calls = 0

    def do_GET(self) -> None:
        type(self).calls += 1
        query = parse_qs(urlparse(self.path).query)
        body = page(int(query.get("continuation-token", ["0"])[0]), self.keys)
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("x-amz-bucket-region", "us-east-1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Nothing is logged."""


def serve(keys: int, pipe: Connection) -> None:
    """Run the stub, and tell its port."""
    Stub.keys = keys
    server = HTTPServer(("127.0.0.1", 0), Stub)
    pipe.send(server.server_address[1])
    server.serve_forever()


def calls(s3: Any) -> int:
    """The LIST calls and nothing else."""
    found, token = 0, {}
    while True:
        answer = s3.list_objects_v2(Bucket="bucket", Prefix="raw/", **token)
        found += answer["KeyCount"]
        if not answer["IsTruncated"]:
            return found
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def main() -> None:
    """Run it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    keys = parser.parse_args().keys
    receiver, sender = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=serve, args=(keys, sender), daemon=True)
    server.start()
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{receiver.recv()}",
        region_name="us-east-1",
        aws_access_key_id="stub",
        aws_secret_access_key="stub",
        config=Config(s3={"addressing_style": "path"}),
    )
    limits = GROUND_TRUTH._replace(max_files=keys)
    ways: dict[str, Callable[[], int]] = {
        "calls": lambda: calls(s3),
        "under": lambda: sum(1 for _ in Objects(s3).under("bucket", "raw/")),
        "check": lambda: check_manifest("s3://bucket/raw/", limits=limits, task_type="image", s3=s3).good,
    }
    print(f"{keys:,} keys, {-(-keys // PAGE):,} LIST calls each")
    print(f"{'way':8}{'seconds':>9}{'in the calls':>14}")
    for name, way in ways.items():
        in_calls = timed(s3)
        started = time.perf_counter()
        found = way()
        seconds = time.perf_counter() - started
        assert found == keys, (name, found)
        print(f"{name:8}{seconds:9.1f}{sum(in_calls) / seconds:14.0%}")
    server.terminate()


def timed(s3: Any) -> list[float]:
    """Measure every call that the client makes from here on."""
    original = getattr(s3, "original_call", s3._make_api_call)
    times: list[float] = []

    def call(*arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return original(*arguments)
        finally:
            times.append(time.perf_counter() - started)

    s3.original_call, s3._make_api_call = original, call
    return times


if __name__ == "__main__":
    main()
