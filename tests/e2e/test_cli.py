"""The command line against the local cloud, as a user calls it: real processes, profiles, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.world import MAIN_LINE, NEIGHBOUR, PROJECT, World

pytestmark = pytest.mark.xdist_group("batches")


REQUEST = ["project", "request", "clinic", "--first-name", "R", "--last-name", "R", "--description", "x"]
REQUEST += ["--business-email", "r@example.com", "--task-type", "image", "--no-pii"]


def gtplus(
    world: World, *arguments: str, profile: str = "requester", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command as somebody; a wide terminal keeps lines whole."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | world.cloud.profiles.environment(
        "x"
    )
    del environment["AWS_PROFILE"]
    command = [sys.executable, "-m", "gtplus_cli.main", *arguments, "--profile", profile]
    return subprocess.run(
        command, env=environment | {"COLUMNS": "250"}, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_team_is_checked_with_the_right_to_it_which_is_named_to_who_lacks_it(world: World) -> None:
    ready = gtplus(world, "team", "check", PROJECT, profile="approver")
    assert (ready.returncode, ready.stdout) == (0, f"the team of {PROJECT} is ready\n"), ready.stderr
    missing = gtplus(world, "team", "list", "nowhere", profile="approver")
    assert missing.returncode == 1
    assert "no project 'nowhere' is deployed" in missing.stderr
    refused = gtplus(world, "team", "list", PROJECT, profile="reviewer")
    assert refused.returncode == 1
    assert "workspace.grant_team(role)" in refused.stderr
    elsewhere = gtplus(world, "team", "list", PROJECT, "--workspace", "elsewhere", profile="approver")
    assert elsewhere.returncode == 3
    assert "no workspace 'elsewhere'" in elsewhere.stderr


def test_a_batch_from_create_to_accept_by_the_command_line(world: World, tmp_path: Path) -> None:
    bucket = world.buckets[PROJECT]
    for number in range(3):
        world.put(f"s3://{bucket}/raw/cli/{number}.txt", str(number))
    name = f"{PROJECT}/cli-1"
    created = gtplus(world, "batch", "create", name, "--input", f"s3://{bucket}/raw/cli/", "--description", "by hand")
    assert created.returncode == 0, created.stderr
    assert "Request submitted" in created.stdout
    assert f"next: gtplus batch watch {name}" in created.stdout

    world.reached("cli-1", 2, MAIN_LINE[1])
    for status in MAIN_LINE[2:4]:
        reported = gtplus(world, "batch", "report", name, status, "--evidence", "a mail", profile="reporter")
        assert reported.returncode == 0, reported.stderr
    world.label("cli-1")
    world.handled("cli-1")

    sample = tmp_path / "sample.jsonl"
    assert gtplus(world, "batch", "review", name, "--sample", str(sample), profile="reviewer").returncode == 0
    objects = [json.loads(line) for line in sample.read_text().splitlines()]
    assert len(objects) == 3
    verdicts = tmp_path / "verdicts.jsonl"
    verdicts.write_text("".join(json.dumps({"object": o["object"], "correct": True}) + "\n" for o in objects))
    reviewed = gtplus(world, "batch", "review", name, "--verdicts", str(verdicts), profile="reviewer")
    assert reviewed.returncode == 0, reviewed.stderr
    world.handled("cli-1", 7)
    shown = gtplus(world, "batch", "show", name, profile="reviewer")
    assert "0 of 3 wrong" in shown.stdout
    assert "proposal: accept" in shown.stdout
    assert gtplus(world, "batch", "accept", name, profile="reviewer").returncode == 0
    world.reached("cli-1", 9, "Ready for delivery")
    world.deliver("cli-1")
    watched = gtplus(world, "batch", "watch", name, "--interval", "0.2")
    assert watched.returncode == 0
    assert [line[21:51].strip() for line in watched.stdout.splitlines()] == MAIN_LINE
    history = json.loads(gtplus(world, "batch", "history", name, "--json").stdout)["events"]
    assert [event["status"] for event in history] == MAIN_LINE
    assert "cli-1" in gtplus(world, "batch", "list", PROJECT).stdout
    metrics = json.loads(gtplus(world, "metrics", name, "--json").stdout)
    assert sum(metrics["objectsCompletedByDay"].values()) == metrics["objects"] == 3
    assert (metrics["decisions"], metrics["rejectionRate"], metrics["reworkRounds"]) == (1, 0.0, 0)


def test_bad_input_creates_nothing_and_is_told_all_at_once(world: World, tmp_path: Path) -> None:
    bucket = world.buckets[PROJECT]
    world.put(f"s3://{bucket}/raw/cli-bad.manifest", '{"source-ref": "s3://other/raw/1"}\nnonsense\n{"a": 1}\n')
    told = gtplus(
        world, "batch", "create", f"{PROJECT}/never", "--input", f"s3://{bucket}/raw/cli-bad.manifest", cwd=tmp_path
    )
    assert told.returncode == 1
    assert "3 problems: 1 × another bucket, 1 × not JSON, 1 × no source; 0 of 3 objects are good" in told.stderr
    for number in (1, 2, 3):
        assert f"line {number}" in told.stderr
    assert len((tmp_path / "never.report.jsonl").read_text().splitlines()) == 3
    assert gtplus(world, "batch", "show", f"{PROJECT}/never").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["batch", "show", "no-slash"], 1, "write e.g. street-signs/digits-001"),
        (["batch", "show", f"{PROJECT}/none"], 1, "there is no such batch"),
        (["batch", "create", f"{PROJECT}/x", "--input", "/local/path"], 1, "an S3 URI"),
        (["batch", "accept", f"{PROJECT}/x"], 1, "is not yours to call"),
        (["batch", "list", PROJECT, "--workspace", "another"], 3, "no workspace 'another'"),
        (["batch", "list", PROJECT, "--region", "eu-west-1"], 3, "no workspace 'labeling' in eu-west-1"),
        (["batch", "watch", f"{PROJECT}/x", "--until", "Done"], 1, "one of Request submitted"),
        (["batch", "crate"], 2, "No such command"),
        (["project", "request", PROJECT], 2, "Missing option"),
        ([*REQUEST, "--regulated-data", "PHI", "--regulated-data", "PCI"], 1, "the service does not support such data"),
        (["batch", "create", f"{PROJECT}/x"], 1, "needed, unless a folder is uploaded with --from"),
        (["batch", "create", f"{PROJECT}/x", "--input", "s3://data/m", "--where", "north"], 1, "camera=north"),
    ],
)
def test_what_is_refused_says_what_to_do_and_shows_no_traceback(
    world: World, arguments: list[str], code: int, words: str
) -> None:
    told = gtplus(world, *arguments)
    assert told.returncode == code, told.stderr
    assert words in " ".join(told.stderr.split())
    assert "Traceback" not in told.stderr + told.stdout


def test_what_others_wrote_is_shown_as_it_is_and_breaks_nothing(world: World) -> None:
    batch = world.create(description="[/] [bold]not ours[/bold]")
    world.reached(batch, 2, MAIN_LINE[1])
    world.report(batch, "Data transfer failed", reason="[/red] \x1b[31m and [link=x]")
    for verb in ("show", "history"):
        shown = gtplus(world, "batch", verb, f"{PROJECT}/{batch}")
        assert shown.returncode == 0, shown.stderr
        assert "\x1b[31m" not in shown.stdout
    assert "[/red]" in gtplus(world, "batch", "show", f"{PROJECT}/{batch}").stdout
    refused = gtplus(world, "batch", "show", f"{PROJECT}/[/]")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_without_credentials_or_a_profile_of_that_name_it_says_so(world: World) -> None:
    told = gtplus(world, "batch", "list", PROJECT, profile="nobody")
    assert told.returncode == 3
    assert "--profile" in told.stderr


def test_projects_are_listed_for_operators_and_shown_to_their_people(world: World) -> None:
    listed = gtplus(world, "project", "list", profile="approver")
    assert listed.returncode == 0
    assert PROJECT in listed.stdout
    assert gtplus(world, "project", "list", profile="requester").returncode == 1
    shown = gtplus(world, "project", "show", PROJECT)
    assert f"s3://{world.buckets[PROJECT]}/raw/" in shown.stdout


def test_an_operator_pauses_and_resumes_a_project(world: World) -> None:
    before = json.loads(gtplus(world, "project", "show", NEIGHBOUR, "--json", profile="approver").stdout)["status"]
    assert gtplus(world, "project", "pause", NEIGHBOUR, profile="approver").returncode == 0
    bucket = world.buckets[NEIGHBOUR]
    created = gtplus(
        world,
        "batch",
        "create",
        f"{NEIGHBOUR}/n",
        "--input",
        f"s3://{bucket}/raw/",
        "--no-check",
        profile="faces-requester",
    )
    assert created.returncode == 1
    assert "not paused" in created.stderr
    assert gtplus(world, "project", "resume", NEIGHBOUR, profile="approver").returncode == 0
    after = json.loads(gtplus(world, "project", "show", NEIGHBOUR, "--json", profile="approver").stdout)
    assert (after["status"], after.get("pausedFrom")) == (before, None)
    again = gtplus(world, "project", "resume", NEIGHBOUR, profile="approver")
    assert again.returncode == 1
    assert "nothing to resume" in again.stderr
    assert gtplus(world, "project", "pause", NEIGHBOUR, profile="faces-requester").returncode == 1
