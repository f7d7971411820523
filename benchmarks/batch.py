"""A batch of 10,000 objects, checked and frozen inside the function of *Request submitted*, in the local cloud.

The app of this checkout is deployed into a local cloud, the objects are uploaded by the requester, and batches are
created of their prefix and of a manifest. `in the function` is from the event *Request submitted* to *Data transfer in
progress*, by the clock of the table: the start of the execution and the function included. The emulator does not
enforce the 512 MB of the function; `memory` is the peak of a process of its own that imports the same, and checks and
freezes the same input.

    python benchmarks/batch.py [--objects 10000]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.config import Config
from rich.console import Console

from gtplus_cli.client import WorkspaceClient
from gtplus_cli.demo import PEOPLE, PROJECT, sign_in
from gtplus_cli.local import LocalCloud, Toolchain, deploy

ROOT = Path(__file__).parents[1]
FORM = {"firstName": "R", "lastName": "R", "businessEmail": "r@example.com", "description": "x", "taskType": "image"}

CHECK = """
import os, sys, tempfile
from pathlib import Path
from gtplus_runtime.check import check_manifest
from gtplus_runtime.handlers import request_submitted
from gtplus_runtime.manifest import inventory_line
import boto3
s3 = boto3.client("s3")
with tempfile.TemporaryFile() as file:
    report = check_manifest(
        sys.argv[1], reads=[sys.argv[2]], task_type="image", s3=s3, keep=lambda *line: file.write(inventory_line(*line))
    )
assert not report.counts, report.counts
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
"""


def seconds_in_the_function(client: WorkspaceClient, name: str, uri: str) -> float:
    """Create a batch, and wait until its input is checked."""
    client.call("batch.create", project=PROJECT, batch=name, input=uri)
    while True:
        events = client.call("batch.history", project=PROJECT, batch=name)["events"]
        if len(events) > 1:
            assert events[1]["status"] == "Data transfer in progress", events[1]
            first, second = (datetime.fromisoformat(event["at"]) for event in events[:2])
            return (second - first).total_seconds()
        time.sleep(0.1)


def main() -> None:
    """Run it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=10_000)
    count = parser.parse_args().objects
    console = Console()
    tools = Toolchain(ROOT / ".local" / "tools")
    tools.set_up()
    with tempfile.TemporaryDirectory() as folder, LocalCloud(Path(folder), tools=tools) as cloud:
        deployment = deploy(cloud, cwd=ROOT, context={"gtplus:localCloud": "true"})
        outputs = deployment.outputs["Labeling"]
        sessions = sign_in(cloud, {name: outputs[output] for name, output in PEOPLE.items()})
        requester = WorkspaceClient(sessions["requester"])
        requester.call("project.request", project=PROJECT, containsPii=False, **FORM)
        WorkspaceClient(sessions["approver"]).call("project.approve", project=PROJECT)
        bucket = outputs["StreetSignsBucket"]
        s3: Any = sessions["requester"].client("s3", config=Config(max_pool_connections=16))
        keys = [f"raw/many/{number:05}.jpg" for number in range(count)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))
        lines = "".join(json.dumps({"source-ref": f"s3://{bucket}/{key}"}) + "\n" for key in keys)
        s3.put_object(Bucket=bucket, Key="raw/many.manifest", Body=lines.encode())
        console.print(f"{count:,} objects, uploaded", highlight=False)
        console.print(f"{'input':10}{'in the function':>16}{'memory':>12}", highlight=False)
        environment = cloud.profiles.environment("requester") | {"PATH": "", "PYTHONPATH": str(ROOT / "lambdas")}
        for name, uri in (("prefix", "raw/many/"), ("manifest", "raw/many.manifest")):
            seconds = seconds_in_the_function(requester, name, f"s3://{bucket}/{uri}")
            command = [sys.executable, "-c", CHECK, f"s3://{bucket}/{uri}", f"s3://{bucket}/raw/"]
            peak = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            console.print(f"{name:10}{seconds:14.1f} s{int(peak) / 1024:8.0f} MiB", highlight=False)


if __name__ == "__main__":
    main()
