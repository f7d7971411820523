"""The demo on images of one's own: where their labels come from, and that it says what they are worth."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gtplus_cli.simulation import OwnImages, measure
from gtplus_cli.simulation.material import PLACEHOLDER
from gtplus_cli.simulation.replay import WRONG
from gtplus_cli.simulation.workorder import Item, WorkOrder, output_manifest
from gtplus_runtime.labels import read_label
from gtplus_runtime.problems import Problem, Refused

VEHICLES = Path(__file__).parents[1] / "data" / "labels" / "classes.manifest"


def folder(root: Path, *names: str) -> Path:
    for name in names:
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)
    (root / "images" / "notes.txt").write_text("no image")
    (root / "images" / "broken.png").write_bytes(b"\x89PNG no more")
    return root / "images"


def own(images: Path, manifest: Path | None = None, attribute: str | None = None, rate: float = 0) -> OwnImages:
    return OwnImages(images, manifest, attribute, error_rate=rate, seed=1)


def rounds(material: OwnImages, with_care: bool = False) -> list[bytes]:
    """The output manifest of a round."""
    uris = [json.loads(line)["source-ref"] for line in material.manifest("data").splitlines()]
    work = material.workforce.label(dict.fromkeys(uris, b""), with_care=with_care)
    order = WorkOrder("p", material.batch, 1, material.attribute, "", None, "", "")
    items = [Item(uri, True, "", json.dumps({"source-ref": uri})) for uri in uris]
    return output_manifest(order, items, work, datetime(2026, 11, 25, tzinfo=UTC)).splitlines()


def names(lines: list[bytes], attribute: str) -> list[str | None]:
    labels = [read_label(line, attribute) for line in lines]
    return [label.name if label is not None and label.failure is None else None for label in labels]


def test_folders_are_the_classes_where_there_is_no_manifest(tmp_path: Path) -> None:
    material = own(folder(tmp_path, "cat/1.jpg", "cat/2.png", "dog/1.jpg"))
    assert material.names == ["cat/1.jpg", "cat/2.png", "dog/1.jpg"]
    assert "names of the folders" in material.truth
    lines = rounds(material)
    assert names(lines, "label") == ["cat", "cat", "dog"]
    accuracy = measure(lines, "label", material.answers)
    assert (accuracy.objects, accuracy.correct) == (3, 3)


def test_images_of_which_nothing_is_known_get_a_placeholder_and_the_page_says_so(tmp_path: Path) -> None:
    material = own(folder(tmp_path, "1.jpg", "2.jpg"), rate=0.5)
    assert "placeholders, nobody looked" in material.truth
    assert sorted(names(rounds(material), "label"), key=str) == [PLACEHOLDER, WRONG]
    assert names(rounds(material, with_care=True), "label") == [PLACEHOLDER] * 2


def test_the_labels_of_a_real_manifest_are_replayed_to_the_letter(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in VEHICLES.read_bytes().splitlines()]
    files = [line["source-ref"].rpartition("/")[2] for line in lines]
    material = own(folder(tmp_path, *files, "unknown.jpg"), VEHICLES)
    assert material.attribute == "vehicle-labeling-demo"
    assert "1 images have none there" in material.truth
    out = {json.loads(line)["source-ref"].rpartition("/")[2]: json.loads(line) for line in rounds(material)}
    for file, line in zip(files, lines, strict=True):
        assert out[file]["vehicle-labeling-demo"] == line["vehicle-labeling-demo"]
        metadata = out[file]["vehicle-labeling-demo-metadata"]
        assert metadata["class-name"] == line["vehicle-labeling-demo-metadata"]["class-name"]
        assert metadata["job-name"].startswith("simulated/")
    assert out["unknown.jpg"]["vehicle-labeling-demo-metadata"]["failure-reason"] == "no label in the manifest"
    accuracy = measure(rounds(material), material.attribute, material.answers)
    assert (accuracy.objects, accuracy.correct, accuracy.unlabeled) == (10, 10, 0)


def test_errors_are_other_objects_labels_and_a_rework_has_none(tmp_path: Path) -> None:
    files = [json.loads(line)["source-ref"].rpartition("/")[2] for line in VEHICLES.read_bytes().splitlines()[:8]]
    material = own(folder(tmp_path, *files), VEHICLES, rate=0.25)
    accuracy = measure(rounds(material), material.attribute, material.answers)
    assert (accuracy.objects, accuracy.correct) == (8, 6)
    assert rounds(material) == rounds(material)
    assert measure(rounds(material, with_care=True), material.attribute, material.answers).share == 1


def manifest(root: Path, *entries: Any) -> Path:
    path = root / "out.manifest"
    path.write_text("".join(f"{json.dumps(entry) if isinstance(entry, dict) else entry}\n" for entry in entries))
    return path


def labeled(key: str, label: Any, attribute: str = "what") -> dict[str, Any]:
    return {"source-ref": f"s3://b/{key}", attribute: label, f"{attribute}-metadata": {"class-name": f"class {label}"}}


def test_a_wrong_label_reads_otherwise_than_the_right_one(tmp_path: Path) -> None:
    """Boxes of images of different sizes: nothing in the one is no wrong label for nothing in the other."""

    def boxed(key: str, width: int, *classes: int) -> dict[str, Any]:
        boxes = [{"class_id": number, "left": 1, "top": 1, "width": 2, "height": 2} for number in classes]
        value = {"annotations": boxes, "image_size": [{"width": width, "height": 9}]}
        metadata = {"type": "groundtruth/object-detection", "class-map": {"1": "car"}}
        return {"source-ref": f"s3://b/{key}", "what": value, "what-metadata": metadata}

    lines = [boxed(f"{n}.png", 10 + n) for n in range(9)] + [boxed("9.png", 9, 1)]
    images = folder(tmp_path, *(f"{n}.png" for n in range(10)))
    material = own(images, manifest(tmp_path, *lines), rate=1)
    assert names(rounds(material), "what") == ["1 × car"] * 9 + ["nothing"]


def test_images_are_found_by_the_end_of_their_paths(tmp_path: Path) -> None:
    images = folder(tmp_path, "a/1.jpg", "b/1.jpg", "deep/er/2.jpg")
    lines = [labeled("raw/x/a/1.jpg", 0), labeled("raw/b/1.jpg", 1), labeled("2.jpg", 2), labeled("raw/9.jpg", 3)]
    assert names(rounds(own(images, manifest(tmp_path, *lines))), "what") == ["class 0", "class 1", "class 2"]


def problems(*arguments: Any) -> list[Problem]:
    with pytest.raises(Refused) as refused:
        own(*arguments)
    return list(refused.value.problems)


def test_what_cannot_be_replayed_is_told(tmp_path: Path) -> None:
    images = folder(tmp_path, "1.jpg")
    (tmp_path / "empty").mkdir()
    assert [p.rule for p in problems(tmp_path / "empty")] == ["holds images"]
    two = manifest(tmp_path, labeled("1.jpg", 1), labeled("1.jpg", 1, "other"))
    assert [p.value for p in problems(images, two)] == ["what, other"]
    assert own(images, two, "other").attribute == "other"
    bad = manifest(tmp_path, "nonsense", labeled("raw/9.jpg", 3))
    assert [p.place for p in problems(images, bad)] == ["line 1"]
    other = manifest(tmp_path, labeled("raw/9.jpg", 3))
    assert [p.place for p in problems(images, other)] == ["--manifest"]
