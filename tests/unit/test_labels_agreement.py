"""How far labels agree, held against scikit-learn's kappa and pycocotools' intersections over union on real data."""

import io
import json
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask
from rich.console import Console

from gtplus_cli.errors import guarded
from gtplus_cli.labels import label_agreement
from gtplus_cli.main import app
from gtplus_runtime.problems import Refused

DATA = Path(__file__).parents[1] / "data"
CLASSES, BOXES, TEXTS = (
    DATA / "labels/classes.manifest",
    DATA / "labels/boxes.manifest",
    DATA / "labels/entities.manifest",
)


def changed(path: Path, to: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Path:
    """A copy of a manifest whose lines are changed; None drops a line."""
    lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
    to.write_text("".join(json.dumps(line) + "\n" for line in lines if line is not None))
    return to


def attribute_of(entry: dict[str, Any]) -> str:
    return next(name for name in entry if name.endswith("-metadata")).removesuffix("-metadata")


def test_classes_agree_as_scikit_learn_says(tmp_path: Path) -> None:
    # Seconds, that each process of the tests would pay for at the top of this file.
    from sklearn.metrics import cohen_kappa_score

    chance = random.Random(3)
    names = ["Airplane", "Car", "Ferry", "Helicopter", "Motorbike"]
    pairs = []

    def relabel(entry: dict[str, Any]) -> dict[str, Any] | None:
        metadata = entry[f"{attribute_of(entry)}-metadata"]
        if chance.random() < 0.1:
            return None
        before = metadata["class-name"]
        if chance.random() < 0.3:
            metadata["class-name"] = chance.choice(names)
        pairs.append((before, metadata["class-name"]))
        return entry

    found = label_agreement(CLASSES, changed(CLASSES, tmp_path / "gold", relabel))
    one, other = zip(*pairs, strict=True)
    assert found == {
        "objects": len(pairs),
        "classes": {
            "objects": len(pairs),
            "equal": round(sum(a == b for a, b in pairs) / len(pairs), 4),
            "kappa": round(cohen_kappa_score(one, other), 4),
        },
    }


def test_boxes_agree_as_pycocotools_and_an_optimal_assignment_say(tmp_path: Path) -> None:
    from scipy.optimize import linear_sum_assignment

    chance = random.Random(5)
    counts, overlaps = [0, 0], []

    def redraw(entry: dict[str, Any]) -> dict[str, Any]:
        label = entry[attribute_of(entry)]
        kept = [dict(box) for box in label["annotations"] if chance.random() < 0.9]
        for box in kept:
            box["left"] += box["width"] * chance.uniform(0, 0.4)

        def corners(boxes: list[dict[str, Any]]) -> Any:
            return np.array([[b[k] for k in ("left", "top", "width", "height")] for b in boxes], float).reshape(-1, 4)

        old, new = corners(label["annotations"]), corners(kept)
        counts[0] += len(old)
        counts[1] += len(new)
        if len(old) and len(new):
            iou = np.asarray(mask.iou(old, new, [0] * len(new)))
            # The data has one class.
            rows, columns = linear_sum_assignment(np.where(iou >= 0.5, 1 + iou, 0), maximize=True)
            overlaps.extend(iou[i, j] for i, j in zip(rows, columns, strict=True) if iou[i, j] >= 0.5)
        label["annotations"] = kept
        return entry

    found = label_agreement(BOXES, changed(BOXES, tmp_path / "gold", redraw))["boxes"]
    assert found["matched"] == len(overlaps) < counts[1]
    assert found["of"] == counts
    assert found["f1"] == pytest.approx(2 * len(overlaps) / sum(counts), abs=1e-4)
    assert found["meanIou"] == pytest.approx(np.mean(overlaps), abs=1e-4)


@pytest.mark.parametrize("path", [CLASSES, BOXES, TEXTS], ids=lambda path: path.stem)
def test_labels_agree_wholly_with_themselves(path: Path) -> None:
    found = label_agreement(path, path)
    assert found.get("classes", {}).get("equal", 1) == 1
    assert found.get("boxes", {}).get("f1", 1) == 1
    assert found.get("others", {}).get("equal", 1) == 1


def test_a_box_of_another_class_is_no_match(tmp_path: Path) -> None:
    def rename(entry: dict[str, Any]) -> dict[str, Any]:
        entry[f"{attribute_of(entry)}-metadata"]["class-map"] = {"0": "Plane"}
        return entry

    found = label_agreement(BOXES, changed(BOXES, tmp_path / "gold", rename))["boxes"]
    assert (found["matched"], found["f1"], found["meanIou"]) == (0, 0, None)


def test_one_class_on_both_sides_has_no_kappa(tmp_path: Path) -> None:
    line = '{"source": "a", "l": 0, "l-metadata": {"class-name": "x", "type": "groundtruth/text-classification"}}\n'
    (tmp_path / "m").write_text(line)
    assert label_agreement(tmp_path / "m", tmp_path / "m")["classes"] == {"objects": 1, "equal": 1, "kappa": None}


def test_gold_labels_of_other_objects_are_refused() -> None:
    with pytest.raises(Refused, match="no object is in both"):
        label_agreement(BOXES, CLASSES)


def test_several_label_attributes_need_a_name(tmp_path: Path) -> None:
    both = {"source": "a", "l": 0, "l-metadata": {"class-name": "x"}, "m": 1, "m-metadata": {"class-name": "y"}}
    (tmp_path / "m").write_text(json.dumps(both))
    with pytest.raises(Refused) as refused:
        label_agreement(tmp_path / "m", tmp_path / "m")
    assert "l, m" in refused.value.problems[0].value
    assert label_agreement(tmp_path / "m", tmp_path / "m", attribute="m")["classes"]["equal"] == 1
    other = label_agreement(tmp_path / "m", tmp_path / "m", attribute="l", gold_attribute="m")
    assert other["classes"]["equal"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (f"{BOXES} {BOXES}", 0, "boxes F1 1.00, mean IoU 1.00"),
        (f"{CLASSES} {CLASSES}", 0, "classes 100.0% equal, Cohen's kappa 1.00"),
        (f"{BOXES} missing.manifest", 2, "missing.manifest"),
        (f"{BOXES} {DATA}", 2, str(DATA)),
    ],
)
def test_the_command_says_it_in_words(
    arguments: str, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    errors = Console(file=io.StringIO(), width=400)
    got = guarded(lambda: app(["labels", "agree", *shlex.split(arguments)], standalone_mode=False), errors)
    assert isinstance(errors.file, io.StringIO)
    assert said in capsys.readouterr().out + errors.file.getvalue()
    assert (got == 0) == (code == 0)
