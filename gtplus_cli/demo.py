"""The main job, end to end, in the local cloud: a real deploy, a real batch, real images, simulated labelers."""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from gtplus_cli.client import WorkspaceClient
from gtplus_cli.local import LocalCloud, Toolchain, deploy
from gtplus_cli.render import person, safe
from gtplus_cli.simulation import (
    Material,
    SimulatedProvider,
    SimulatedReviewer,
    Tile,
    Verdict,
    contact_sheet,
    measure,
)
from gtplus_runtime.labels import read_label
from gtplus_runtime.lifecycle import BATCH, BatchStatus
from gtplus_runtime.problems import Refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROJECT, NEIGHBOUR = "street-signs", "faces"
PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.2

PEOPLE = {
    "approver": "ApproverRole",
    "requester": "StreetSignsRequesterRole",
    "reviewer": "StreetSignsReviewerRole",
    "provider": "StreetSignsReporterRole",
    "provider-data": "StreetSignsDataRole",
    "neighbour": "FacesRequesterRole",
}
"""The profiles of the demo, and the outputs of `app.py` that hold their roles."""


class DemoFailed(Exception):
    """The demo did not come to its end; says where it stood."""


@dataclass
class Demo:
    """One run of the main job.

    Args:
        root: the folder of `app.py`.
        console: where progress is shown.
        material: what is labeled, and by whom.
        state: where tools and the local cloud's state lie. Default: `.local` in the root.
        output: where the results go. Default: `demo-output` in the root.
    """

    root: Path
    console: Console
    material: Material
    state: Path | None = None
    output: Path | None = None
    verdicts: dict[int, list[Verdict]] = field(default_factory=dict)

    def run(self) -> None:
        """Run it all, show the page at the end, and stop what was started.

        Raises:
            DemoFailed: the batch did not get where it should.
            LocalCloudError: the local cloud or the deploy failed.
        """
        state = self.root / ".local" if self.state is None else self.state
        tools = Toolchain(self.root / ".local" / "tools")
        with self._step("set up") as say:
            tools.set_up(self._announce)
            say(" · ".join(f"{name} {version}" for name, version in tools.versions.items()))
        cloud = LocalCloud(state / "demo", tools=tools)
        started = time.monotonic()
        with cloud:
            running = cloud.status()
            assert running is not None
            self._done("local cloud", f"{running.endpoint}, TLS and IAM enforced", time.monotonic() - started)
            with self._step("cdk deploy") as say:
                deployment = deploy(
                    cloud, cwd=self.root, context={"gtplus:localCloud": "true"}, announce=self._announce
                )
                say(f"app.py by the real CDK CLI: {deployment.resources} resources")
            outputs = deployment.outputs["Labeling"]
            sessions = sign_in(cloud, {name: outputs[output] for name, output in PEOPLE.items()})
            self._main_job(sessions, outputs["StreetSignsBucket"], outputs["FacesBucket"])

    def _main_job(self, sessions: dict[str, boto3.Session], bucket: str, neighbour: str) -> None:
        clients = {n: WorkspaceClient(sessions[n]) for n in ("approver", "requester", "reviewer", "provider")}
        material, name = self.material, self.material.batch
        with self._step("project") as say:
            clients["requester"].call(
                "project.request",
                project=PROJECT,
                firstName="Rosa",
                lastName="Requester",
                businessEmail="rosa@example.com",
                description=material.what,
                taskType="image",
                containsPii=False,
            )
            approved = clients["approver"].call("project.approve", project=PROJECT)
            say(f"{PROJECT}: requested, then {approved['status']}")
        with self._step("upload") as say:
            s3 = sessions["requester"].client("s3")
            material.upload(s3, bucket)
            s3.put_object(Bucket=bucket, Key=f"raw/{name}.manifest", Body=material.manifest(bucket).encode())
            say(f"{material.what} to s3://{bucket}/{material.folder}")
        clients["requester"].call(
            "batch.create",
            project=PROJECT,
            batch=name,
            description=material.what,
            input=f"s3://{bucket}/raw/{name}.manifest",
            labelAttribute=material.attribute,
        )
        data = sessions["provider-data"].client("s3")
        provider = SimulatedProvider(clients["provider"], data, PROJECT, material.workforce)
        reviewer = SimulatedReviewer(clients["reviewer"], material.answers, PROJECT)
        stop = threading.Event()
        worker = threading.Thread(target=provider.run, args=(stop, POLL_SECONDS), daemon=True)
        self.console.print(
            f"  batch [bold]{name}[/bold]: {len(material.names)} images · {safe(material.workforce.name)}",
            style="yellow",
            highlight=False,
        )
        worker.start()
        try:
            self._follow(clients["requester"], reviewer)
        finally:
            stop.set()
            worker.join(timeout=10)
        self._page(clients["requester"], sessions, bucket, neighbour)

    def _follow(self, client: WorkspaceClient, reviewer: SimulatedReviewer) -> None:
        """Follow the batch to its end; the reviewer acts when it is its turn."""
        shown = 0
        reviewed = 0
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self.console.status("") as spinner:
            while True:
                events = client.call("batch.history", project=PROJECT, batch=self.material.batch)["events"]
                for event in events[shown:]:
                    self.console.print(f"    {event['at'][11:23]}  {event['status']:<30} {who(event['actor'])}")
                shown = len(events)
                head = client.call("batch.show", project=PROJECT, batch=self.material.batch)
                status = BATCH[head["status"]]
                spinner.update(f"    {head['meaning']}")
                if head.get("failure"):
                    raise DemoFailed(f"a handler failed: {head['failure']}")
                if status.is_end:
                    if status.name != BatchStatus.DATA_DELIVERED:
                        raise DemoFailed(f"the batch ended in {status.name}: {head['facts'].get('reason')}")
                    if head["facts"].get("summary"):
                        return
                if status.name == BatchStatus.READY_FOR_REVIEW and reviewed < head["round"]:
                    # Refused until the sample is drawn.
                    with suppress(Refused):
                        self.verdicts[head["round"]] = reviewer.review(self.material.batch)
                        reviewed = head["round"]
                        self._say_review(head["round"])
                if status.name == BatchStatus.REVIEW_COMPLETE:
                    reviewer.decide(self.material.batch)
                if time.monotonic() > deadline:
                    raise DemoFailed(f"after {PATIENCE_SECONDS:.0f} s the batch is still {status.name}")
                time.sleep(POLL_SECONDS)

    def _say_review(self, round_: int) -> None:
        verdicts = self.verdicts[round_]
        wrong = [verdict for verdict in verdicts if not verdict.correct]
        self.console.print(f"    review of {len(verdicts)} objects in round {round_}: {len(wrong)} wrong")
        for verdict in wrong[:5]:
            self.console.print(f"      {verdict.object.rpartition('/')[2]}: {verdict.reason}", style="dim")
        if len(wrong) > 5:
            self.console.print(f"      … and {len(wrong) - 5} more", style="dim")

    def _page(
        self,
        client: WorkspaceClient,
        sessions: dict[str, boto3.Session],
        bucket: str,
        neighbour: str,
    ) -> None:
        material, answers = self.material, self.material.answers
        output = self.root / "demo-output" if self.output is None else self.output
        head = client.call("batch.show", project=PROJECT, batch=self.material.batch)
        events = client.call("batch.history", project=PROJECT, batch=self.material.batch)["events"]
        s3 = sessions["requester"].client("s3")
        shutil.rmtree(output, ignore_errors=True)  # of an earlier run, which may have had more rounds
        copy_results(s3, bucket, f"labels/{material.batch}/", output / "labels")
        rounds = {
            number: (output / "labels" / f"round-{number}" / "output.manifest").read_bytes().splitlines()
            for number in range(1, head["round"] + 1)
        }
        delivered = (output / "labels" / "output.manifest").read_bytes().splitlines()
        write_picture(output / "sample.png", material, rounds, self.verdicts, head["round"])

        self.console.print()
        self.console.print(timeline(events))
        accuracy = [measure(lines, material.attribute, answers) for lines in (*rounds.values(), delivered)]
        names = [f"round {number}" for number in rounds] + ["delivered"]
        counts = label_counts(delivered, material.attribute)
        rates = "   ".join(f"{name} {value.share:.1%}" for name, value in zip(names, accuracy, strict=True))
        own, other = try_access(sessions, bucket, neighbour, f"raw/{material.batch}.manifest")
        facts = Table.grid(padding=(0, 2))
        facts.add_column(no_wrap=True)
        facts.add_column(overflow="fold")
        facts.add_row("[bold]Labels[/bold]", safe(counts))
        facts.add_row("[bold]Accuracy[/bold]", f"{rates}   ({safe(material.truth)})")
        facts.add_row(
            "[bold]Delivered[/bold]", f"{shown(output / 'labels' / 'output.manifest')}   {len(delivered)} lines"
        )
        facts.add_row("", shown(output / "labels" / "gtplus" / "summary.json"))
        facts.add_row("", f"{shown(output / 'labels' / 'gtplus' / 'README.md')}   the dataset card")
        facts.add_row("[bold]Picture[/bold]", shown(output / "sample.png"))
        facts.add_row("[bold]Access[/bold]", f"the {PROJECT} role reads its own data: {own}; its neighbour's: {other}")
        facts.add_row(
            "[bold]Reviewer[/bold]", f"saw the true labels of {len(set(answers.asked))} objects of samples, no other"
        )
        facts.add_row("[bold]Next[/bold]", 'gtplus local up   keeps it running · README, "Your first project"')
        self.console.print(facts)
        (output / "timeline.json").write_text(json.dumps(events, indent=2))
        if own != "200" or other != "403":
            raise DemoFailed(f"the role's access is not as granted: own {own}, neighbour's {other}")
        if answers.refused:
            raise DemoFailed("the reviewer asked for true labels outside its sample")

    def _announce(self, step: str, seconds: float | None) -> None:
        if seconds is not None:
            self.console.print(f"    {step:<24} {seconds:6.1f} s", style="dim")

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[str], None]]:
        detail: list[str] = []
        started = time.monotonic()
        with self.console.status(f"  {name} …"):
            yield detail.append
        self._done(name, " ".join(detail), time.monotonic() - started)

    def _done(self, name: str, detail: str, seconds: float) -> None:
        self.console.print(f"[green]✓[/green] {name:<12} {detail}  [dim]{seconds:.1f} s[/dim]", highlight=False)


def sign_in(cloud: LocalCloud, roles: dict[str, str]) -> dict[str, boto3.Session]:
    """Let everybody assume their role, once; from here on nobody has the root key.

    The provider's data role trusts the service's principal alone; the local cloud's root stands in for it here.

    Args:
        cloud: the local cloud.
        roles: the role of each profile.
    """
    cloud.profiles.write(roles)
    sessions = {}
    for name in roles:
        session = cloud.session(name)
        credentials = session.get_credentials()
        assert credentials is not None
        credentials.get_frozen_credentials()
        sessions[name] = session
    return sessions


def label_counts(lines: list[bytes], attribute: str) -> str:
    """How often each label was given, in words; the most frequent ones."""
    labels = [label for line in lines if (label := read_label(line, attribute)) is not None]
    counts = Counter(label.name for label in labels if label.failure is None)
    failed = sum(label.failure is not None for label in labels)
    shown = [f"{name}: {count}" for name, count in sorted(counts.most_common(20))]
    more = [f"and {len(counts) - 20} more"] if len(counts) > 20 else []
    return ", ".join([*shown, *more, *([f"failed: {failed}"] if failed else [])])


def copy_results(s3: "S3Client", bucket: str, prefix: str, folder: Path) -> None:
    """Copy everything under a prefix to a folder."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            target = folder / entry["Key"].removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())


def shown(path: Path) -> str:
    """A path as a person types it: from the working directory where it lies below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def try_access(sessions: dict[str, boto3.Session], bucket: str, neighbour: str, own: str) -> tuple[str, str]:
    """What the provider's role is answered when it reads its own data, and when it reads its neighbour's."""
    key = "raw/portrait.txt"
    sessions["neighbour"].client("s3").put_object(Bucket=neighbour, Key=key, Body=b"not for the street's labelers")
    s3 = sessions["provider-data"].client("s3")

    def read(of: str, what: str) -> str:
        try:
            answer = s3.get_object(Bucket=of, Key=what)
        except ClientError as error:
            return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return str(answer["ResponseMetadata"]["HTTPStatusCode"])

    return read(bucket, own), read(neighbour, key)


def who(actor: dict[str, Any]) -> str:
    """An actor of the demo, by its role without the stack's name; the session's name is the caller's own word."""
    return person(actor).removeprefix("Labeling-").partition("/")[0]


def timeline(events: list[dict[str, Any]]) -> Table:
    """The events as a table: status, who, when."""
    table = Table(title="Timeline", title_justify="left", box=None, pad_edge=False)
    for column in ("#", "Status", "Round", "Who", "When"):
        table.add_column(column, no_wrap=True)
    for event in events:
        when = event["at"][11:23]
        table.add_row(str(event["seq"]), event["status"], str(event["round"]), who(event["actor"]), when)
    return table


def write_picture(
    path: Path,
    material: Material,
    rounds: dict[int, list[bytes]],
    verdicts: dict[int, list[Verdict]],
    last: int,
) -> None:
    """Draw fifty objects of the first sample with their labels, the wrong ones first and marked."""
    labels: dict[int, dict[str, str]] = {}
    for number, lines in rounds.items():
        read = [label for line in lines if (label := read_label(line, material.attribute)) is not None]
        labels[number] = {label.source: label.name for label in read}
    shown = sorted(verdicts[1], key=lambda verdict: verdict.correct)[:50]
    tiles = [
        Tile(
            material.image(material.answers.file_name(verdict.object)),
            labels[1][verdict.object],
            wrong=not verdict.correct,
            after=labels[last][verdict.object] if last > 1 and not verdict.correct else None,
        )
        for verdict in shown
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    note = "simulated workforce; red: found wrong in the review, with the label after the rework"
    title = f"{material.batch}: {len(tiles)} objects of the sample of round 1"
    path.write_bytes(contact_sheet(tiles, title, note))
