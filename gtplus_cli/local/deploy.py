"""Brings a CDK app into the local cloud with the real CDK CLI: what is deployed here is what AWS would get."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gtplus_cli.local.cloud import LocalCloud
from gtplus_cli.local.errors import LocalCloudError, tail
from gtplus_cli.local.process import run
from gtplus_cli.local.toolchain import Announce, silent, timed

_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
_QUIET = ("--no-notices", "--no-color")
_TIMEOUT_SECONDS = 900.0
_NOISE = ("CloudTrail delivery", "Source Location:", "(no user code", "control-plane errors")


@dataclass(frozen=True)
class Deployment:
    """What a deployment has made.

    Attributes:
        outputs: The outputs of each stack, by its name.
        resources: How many resources the stacks have.
    """

    outputs: dict[str, dict[str, str]]
    resources: int


def bootstrap(cloud: LocalCloud, announce: Announce = silent) -> None:
    """Prepares the local account for the CDK, once.

    Raises:
        LocalCloudError: The CDK CLI failed.
    """
    if _is_bootstrapped(cloud):
        return
    account = cloud.session().client("sts").get_caller_identity()["Account"]
    with timed("cdk bootstrap", announce):
        _cdk(cloud, "bootstrap", f"aws://{account}/{cloud.region}", *_QUIET)


def deploy(
    cloud: LocalCloud,
    *,
    cwd: Path | str = ".",
    app: Sequence[str] | None = None,
    context: Mapping[str, str] | None = None,
    announce: Announce = silent,
) -> Deployment:
    """Deploys all stacks of an app, after the bootstrap if need be.

    Args:
        cloud: Where to.
        cwd: The folder of the app, with its `cdk.json` if it has one.
        app: The program that synthesizes it. The default is `app.py`, run by our own Python.
        context: Context values for the app, beside those of `cdk.json`. An app sees them as strings.
        announce: Is told the steps.

    Raises:
        LocalCloudError: The app failed, or a stack did.
    """
    bootstrap(cloud, announce)
    command = [sys.executable, "app.py"] if app is None else app
    outputs = cloud.state / "outputs.json"
    outputs.unlink(missing_ok=True)
    with timed("cdk deploy", announce):
        _cdk(
            cloud,
            "deploy",
            *("--all", "--app", shlex.join(command), "--output", str(_assembly(cloud))),
            *("--require-approval", "never", "--outputs-file", str(outputs)),
            *_QUIET,
            "--no-version-reporting",  # it would add a resource that means something to AWS alone
            *(f"--context={name}={value}" for name, value in (context or {}).items()),
            cwd=Path(cwd),
        )
        resources = sum(_count_resources(cloud, stack) for stack in _stacks(_assembly(cloud)))
    # Without any output the CLI writes no file.
    return Deployment(json.loads(outputs.read_text()) if outputs.exists() else {}, resources)


def destroy(cloud: LocalCloud, announce: Announce = silent) -> None:
    """Deletes the stacks that were deployed last; what a template retains stays.

    Raises:
        LocalCloudError: The CDK CLI failed.
    """
    if not _assembly(cloud).exists():
        return
    with timed("cdk destroy", announce):
        _cdk(cloud, "destroy", "--all", "--force", "--app", str(_assembly(cloud)), *_QUIET)


def _is_bootstrapped(cloud: LocalCloud) -> bool:
    ssm = cloud.session().client("ssm")
    try:
        ssm.get_parameter(Name=_BOOTSTRAP_VERSION)
    except ssm.exceptions.ParameterNotFound:
        return False
    return True


def _cdk(cloud: LocalCloud, command: str, *arguments: str, cwd: Path | None = None) -> None:
    run(
        [*cloud.tools.cdk, command, *arguments],
        log=cloud.state / f"cdk-{command}.log",
        what=f"cdk {command}",
        hint="",
        environment=cloud.environment() | {"CDK_DISABLE_CLI_TELEMETRY": "true"},
        cwd=cloud.state if cwd is None else cwd,  # away from a cdk.json that names an app
        timeout=_TIMEOUT_SECONDS,
        excerpt=readable,
    )


def readable(output: str) -> str:
    """Returns what of the CDK CLI's output tells why it failed."""
    lines = [line for line in output.splitlines() if not any(noise in line for noise in _NOISE)]
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("❌", "Traceback")):
            return tail("\n".join(lines[number:]))
    return tail("\n".join(lines))


def _assembly(cloud: LocalCloud) -> Path:
    return cloud.state / "cdk.out"


def _stacks(assembly: Path) -> list[str]:
    """The names of all stacks of an app, those in its stages, too."""
    return [
        artifact["properties"].get("stackName", name)
        for manifest in sorted(assembly.glob("**/manifest.json"))
        for name, artifact in json.loads(manifest.read_text()).get("artifacts", {}).items()
        if artifact["type"] == "aws:cloudformation:stack"
    ]


def _count_resources(cloud: LocalCloud, stack: str) -> int:
    cloudformation = cloud.session().client("cloudformation")
    status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    # An update that was rolled back and is then taken back by the user is "no changes" to the CLI.
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        raise LocalCloudError(
            f"cdk deploy said it was done, but the stack {stack} is {status}.",
            hint=f"Its output: {cloud.state / 'cdk-deploy.log'}",
        )
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return sum(len(page["StackResourceSummaries"]) for page in pages)
