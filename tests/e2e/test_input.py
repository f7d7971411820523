"""What a batch is created of, by the command line in the local cloud: a prefix, a part of a manifest, a folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cli import gtplus
from tests.e2e.world import PROJECT, World

pytestmark = pytest.mark.xdist_group("batches")


def uris(world: World, batch: str) -> list[str]:
    """The objects of the frozen inventory, by the names of their files."""
    world.reached(batch, 2, "Data transfer in progress")
    world.handled(batch)
    inventory = world.get(world.head(batch)["facts"]["inventory"]).splitlines()
    return [json.loads(line)["source-ref"].rpartition("/")[2] for line in inventory]


def objects(world: World, prefix: str) -> dict[str, Any]:
    """What lies under a prefix."""
    s3 = world.sessions["requester"].client("s3")
    listed = s3.list_objects_v2(Bucket=world.buckets[PROJECT], Prefix=prefix).get("Contents", [])
    return {entry["Key"]: (entry["Size"], entry["LastModified"]) for entry in listed}


def test_a_part_of_a_manifest_becomes_a_manifest_and_a_batch(world: World, tmp_path: Path) -> None:
    bucket = world.buckets[PROJECT]
    lines = []
    for number in range(12):
        world.put(f"s3://{bucket}/raw/part/{number}.txt", str(number))
        camera = "north" if number % 2 else "south"
        lines.append(json.dumps({"source-ref": f"s3://{bucket}/raw/part/{number}.txt", "camera": camera}))
    lines[3:3] = ["nonsense", json.dumps({"source-ref": f"s3://{bucket}/raw/part/none.txt", "camera": "north"})]
    source = f"s3://{bucket}/raw/part.manifest"
    world.put(source, "\n".join(lines))

    told = gtplus(world, "batch", "create", f"{PROJECT}/part-0", "--input", source[:-9] + "/x", cwd=tmp_path)
    assert "upload it, or mend the location" in told.stderr
    told = gtplus(world, "batch", "create", f"{PROJECT}/part-0", "--input", source[:-9], cwd=tmp_path)
    assert "a prefix ends in /" in " ".join(told.stderr.split())

    arguments = ("--input", source, "--where", "camera=north", "--sample", "4", "--seed", "7")
    told = gtplus(world, "batch", "create", f"{PROJECT}/part-1", *arguments, cwd=tmp_path)
    assert told.returncode == 1
    assert "line 4" in told.stderr
    assert "--drop-bad-lines" in told.stderr
    created = gtplus(world, "batch", "create", f"{PROJECT}/part-1", *arguments, "--drop-bad-lines", cwd=tmp_path)
    assert created.returncode == 0, created.stderr
    report = [json.loads(line)["place"] for line in (tmp_path / "part-1.report.jsonl").read_text().splitlines()]
    taken = uris(world, "part-1")
    assert "line 4" in report
    assert len(taken) + len(report) - 1 == 4
    assert all(int(name[:-4]) % 2 for name in taken)
    assert world.head("part-1")["form"]["input"] == f"s3://{bucket}/raw/part-1.manifest"

    # The same again makes the same manifest; another is never put in its place.
    again = gtplus(world, "batch", "create", f"{PROJECT}/part-1", *arguments, "--drop-bad-lines", cwd=tmp_path)
    assert "another manifest lies" not in again.stderr
    other = gtplus(world, "batch", "create", f"{PROJECT}/part-1", *arguments[:4], "--drop-bad-lines", cwd=tmp_path)
    assert "another manifest lies at" in other.stderr


def test_a_folder_is_uploaded_once_and_becomes_a_batch(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name, content in {"1.txt": b"one", "deep/2.txt": b"two", ".hidden": b"", ".git/x.txt": b""}.items():
        (folder / name).write_bytes(content)
    (folder / "long.txt").write_bytes(bytes(range(256)) * 80_000)  # 20 MB: three parts
    created = gtplus(world, "batch", "create", f"{PROJECT}/folder-1", "--from", str(folder), cwd=tmp_path)
    assert created.returncode == 0, created.stderr
    assert f"upload to s3://{world.buckets[PROJECT]}/raw/folder-1/ " in created.stdout
    assert "20.5/20.5 MB" in created.stdout
    assert "3 files uploaded" in created.stdout
    assert "2 hidden left out" in created.stdout
    assert uris(world, "folder-1") == ["1.txt", "2.txt", "long.txt"]
    before = objects(world, "raw/folder-1/")
    assert [size for size, _ in before.values()] == [3, 3, 20_480_000]

    (folder / "1.txt").write_bytes(b"ONE")
    target = f"s3://{world.buckets[PROJECT]}/raw/folder-1/"
    arguments = ("--from", str(folder), "--input", target)
    again = gtplus(world, "batch", "create", f"{PROJECT}/folder-2", *arguments, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "1 files uploaded" in again.stdout
    assert "2 were there already" in again.stdout
    assert world.get(target + "1.txt") == "ONE"

    world.put(target + "stranger.txt", "x")
    (folder / "movie.mp4").write_bytes(b"")
    told = gtplus(world, "batch", "create", f"{PROJECT}/folder-3", *arguments, cwd=tmp_path)
    assert told.returncode == 1
    assert f"{folder}/movie.mp4" in told.stderr
    (folder / "movie.mp4").unlink()
    told = gtplus(world, "batch", "create", f"{PROJECT}/folder-3", *arguments, cwd=tmp_path)
    assert "stranger.txt" in told.stderr
    assert "nothing was uploaded" in told.stderr


def test_an_upload_that_is_stopped_leaves_whole_objects_and_goes_on(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1_200):
        (folder / f"{number:04}.txt").write_bytes(b"%04d" % number * 5_000)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment |= world.cloud.profiles.environment("requester") | {"COLUMNS": "250"}
    arguments = ["batch", "create", f"{PROJECT}/stopped", "--from", str(folder), "--profile", "requester"]
    command = subprocess.Popen(
        [sys.executable, "-m", "gtplus_cli.main", *arguments],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not objects(world, "raw/stopped/") and time.monotonic() < deadline:
        time.sleep(0.02)
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130, said
    assert "the same command goes on" in said
    there = objects(world, "raw/stopped/")
    assert 0 < len(there) < 1_000
    assert {size for size, _ in there.values()} == {20_000}
    assert "stopped" not in [b["batch"] for b in world.call("requester", "batch.list")["batches"]]

    gone_on = gtplus(world, *arguments[:-2], cwd=tmp_path)
    assert gone_on.returncode == 0, gone_on.stderr
    after = objects(world, "raw/stopped/")
    assert all(after[key] == before for key, before in there.items()), "what was there was uploaded again"
    assert len(uris(world, "stopped")) == 1_200


def test_input_that_changes_while_it_is_labeled_is_told(world: World) -> None:
    batch = world.create(objects=3)
    world.reached(batch, 2, "Data transfer in progress")
    world.report(batch, "Data received")
    world.handled(batch)
    assert world.head(batch)["facts"]["inputChanges"] == {"changed": 0, "missing": 0, "examples": []}
    assert "since it was frozen" not in gtplus(world, "batch", "show", f"{PROJECT}/{batch}").stdout
    world.report(batch, "In progress")
    uri = f"s3://{world.buckets[PROJECT]}/raw/{batch}/1.txt"
    world.put(uri, "changed meanwhile")
    world.label(batch)
    world.handled(batch)
    shown = gtplus(world, "batch", "show", f"{PROJECT}/{batch}").stdout
    assert f"1 objects changed and 0 removed since it was frozen: {uri}" in shown
    assert gtplus(world, "batch", "show", f"{PROJECT}/{batch}", profile="reviewer").stdout.count(uri) == 1


def test_an_input_is_checked_at_the_desk_and_nothing_created(world: World, tmp_path: Path) -> None:
    path = tmp_path / "in.manifest"
    uri = f"s3://{world.buckets[PROJECT]}/raw/checked.txt"
    world.put(uri, "x")
    path.write_text(json.dumps({"source-ref": uri}) + "\n" + json.dumps({"source": "mail jo@example.com"}) + "\n{\n")
    bad = gtplus(world, "batch", "check", str(path), "--project", PROJECT, "--json", cwd=tmp_path)
    assert bad.returncode == 1
    answer = json.loads(bad.stdout)
    assert (answer["good"], answer["counts"], answer["flags"]) == (
        2,
        {"not JSON": 1},
        {"looks like an e-mail address": 1},
    )
    assert "line 3" in bad.stderr
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == 1
    world.put(f"{uri}.manifest", json.dumps({"source-ref": uri}) + "\n")
    good = gtplus(world, "batch", "check", f"{uri}.manifest", "--project", PROJECT, cwd=tmp_path)
    assert (good.returncode, good.stdout) == (0, "1 of 1 objects are good\n")
    assert not (tmp_path / "report.jsonl").exists()
    other = gtplus(world, "batch", "check", str(path), "--limits", "ground-truth", "--task-type", "image", cwd=tmp_path)
    assert f"{uri!r}" in other.stderr
    assert "--limits" in gtplus(world, "batch", "check", str(path), "--limits", "x", cwd=tmp_path).stderr
