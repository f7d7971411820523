"""The demo as a user runs it: a process of its own, from the deploy to the delivered labels."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture
def app(tmp_path: Path, tools: object) -> Path:
    """The example app in a folder of its own, with the checkout's tools, so that demos do not meet."""
    for name in ("app.py", "cdk.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".local").mkdir()
    tools.set_up()  # type: ignore[attr-defined]
    (tmp_path / ".local" / "tools").symlink_to(ROOT / ".local" / "tools")
    return tmp_path


def start(app: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo."""
    command = [sys.executable, "-m", "gtplus_cli.main", "demo", "--app", str(app), *arguments]
    return subprocess.Popen(
        command,
        cwd=app,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_of(app: Path) -> list[str]:
    """Command lines of processes that run in the demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            folder = os.readlink(entry / "cwd")
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if folder.startswith(str(app)):
            found.append(line)
    return found


def accuracy(output: str) -> dict[str, float]:
    """The rates of the page at the end."""
    line = next(line for line in output.splitlines() if line.startswith("Accuracy"))
    return {name: float(rate) for name, rate in re.findall(r"(round \d|delivered) ([\d.]+)%", line)}


def test_the_first_round_is_rejected_on_the_samples_evidence_and_the_rework_is_delivered(app: Path) -> None:
    demo = start(app, "--error-rate", "0.2", "--seed", "3")
    output, _ = demo.communicate(timeout=170)
    assert demo.returncode == 0, output
    rates = accuracy(output)
    assert rates["round 1"] < 82
    assert rates["round 2"] == rates["delivered"] > 99
    events = json.loads((app / "demo-output" / "timeline.json").read_text())
    assert [event["status"] for event in events][7:9] == ["Rejected", "Sent for rework"]
    assert events[-1]["status"] == "Data delivered"
    assert [event["seq"] for event in events] == list(range(1, 16))
    # Five people and programs, each with a role of its own; our handlers besides.
    assert len({event["actor"]["id"] for event in events}) == 4
    delivered = (app / "demo-output" / "labels" / "output.manifest").read_text().splitlines()
    assert len(delivered) == 200
    assert (app / "demo-output" / "sample.png").read_bytes().startswith(b"\x89PNG")
    assert "reads its own data: 200; its neighbour's: 403" in output
    assert "simulated" in output
    assert processes_of(app) == []


def test_on_images_of_ones_own_the_labels_of_a_manifest_are_replayed_and_accepted_in_the_first_round(
    app: Path,
) -> None:
    manifest = ROOT / "tests" / "data" / "labels" / "classes.manifest"
    lines = [json.loads(line) for line in manifest.read_bytes().splitlines()[:8]]
    images = app / "vehicles"
    images.mkdir()
    for number, line in enumerate(lines):
        Image.new("RGB", (300, 200), (20 * number, 90, 120)).save(images / line["source-ref"].rpartition("/")[2])
    demo = start(app, "--images", str(images), "--manifest", str(manifest), "--error-rate", "0")
    output, _ = demo.communicate(timeout=170)
    assert demo.returncode == 0, output
    assert accuracy(output) == {"round 1": 100.0, "delivered": 100.0}
    events = json.loads((app / "demo-output" / "timeline.json").read_text())
    statuses = [event["status"] for event in events]
    assert "Rejected" not in statuses
    assert statuses[-1] == "Data delivered"
    assert "whose labels are replayed" in output
    delivered = [json.loads(line) for line in (app / "demo-output" / "labels" / "output.manifest").open()]
    truth = {line["source-ref"].rpartition("/")[2]: line["vehicle-labeling-demo"] for line in lines}
    assert {line["source-ref"].rpartition("/")[2]: line["vehicle-labeling-demo"] for line in delivered} == truth
    assert (app / "demo-output" / "sample.png").read_bytes().startswith(b"\x89PNG")
    assert processes_of(app) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "nowhere"], "is a folder"),
        (["--manifest", str(ROOT / "tests" / "data" / "labels" / "classes.manifest")], "goes with --images"),
    ],
)
def test_a_demo_that_cannot_be_is_refused_before_anything_starts(app: Path, arguments: list[str], words: str) -> None:
    demo = start(app, *arguments)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert words in output
    assert "local cloud" not in output


@pytest.mark.parametrize(("number", "mark"), [(signal.SIGINT, "cdk deploy"), (signal.SIGTERM, "batch digits-001")])
def test_a_demo_that_is_stopped_leaves_nothing_running_and_fails(app: Path, number: int, mark: str) -> None:
    demo = start(app)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "local cloud" in line if mark == "cdk deploy" else mark in line:
            break
    time.sleep(1.5)
    assert processes_of(app)
    os.kill(demo.pid, number)
    demo.communicate(timeout=60)
    assert demo.returncode != 0
    assert processes_of(app) == []


def test_an_app_that_fails_fails_the_demo_in_words(app: Path) -> None:
    (app / "app.py").write_text("raise SystemExit('the app is wrong')")
    demo = start(app)
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 1
    assert "the app is wrong" in output
    assert "Traceback" not in output
    assert processes_of(app) == []
