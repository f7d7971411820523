"""Conversion of a manifest of boxes to COCO: how fast, and how much memory, against the number of images.

    python benchmarks/convert.py [IMAGES]       # 100,000 by default

Everything is measured in one run, each in a process of its own: a plain loop of `json.loads` over the same file, which
is the least that any conversion in Python does, and the conversion of a tenth of the images and of all of them.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES = ["car", "bus", "bicycle", "person", "dog"]


def write_manifest(path: Path, images: int, seed: int = 7) -> int:
    """A manifest as Ground Truth writes it: three boxes an image on average; returns how many."""
    draw = random.Random(seed)
    count = 0
    with path.open("w") as out:
        for number in range(images):
            boxes = [
                {
                    "class_id": draw.randrange(len(CLASSES)),
                    "top": draw.randrange(700),
                    "left": draw.randrange(1000),
                    "height": draw.randrange(1, 300),
                    "width": draw.randrange(1, 300),
                }
                for _ in range(draw.randrange(7))
            ]
            count += len(boxes)
            used = sorted({box["class_id"] for box in boxes})
            metadata = {
                "objects": [{"confidence": round(draw.random(), 2)} for _ in boxes],
                "class-map": {str(number): CLASSES[number] for number in used},
                "type": "groundtruth/object-detection",
                "human-annotated": "yes",
                "creation-date": "2026-11-25T00:00:00.000000",
                "job-name": "labeling-job/boxes",
            }
            value = {"annotations": boxes, "image_size": [{"width": 1300, "height": 1000, "depth": 3}]}
            line = {"source-ref": f"s3://streets/raw/{number:07}.jpg", "label": value, "label-metadata": metadata}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return count


def measure(task: str, path: Path) -> tuple[float, float]:
    """Seconds and peak memory in MiB of a task in a process of its own."""
    answer = subprocess.run([sys.executable, __file__, "--task", task, str(path)], check=True, capture_output=True)
    seconds, memory = answer.stdout.split()
    return float(seconds), float(memory)


def run_task(task: str, path: Path) -> None:
    """What the process of its own does."""
    from gtplus_cli.labels import convert_labels

    start = time.perf_counter()
    if task == "plain":
        with path.open("rb") as file:
            for line in file:
                json.loads(line)
    else:
        convert_labels(path, path.with_suffix(".json"), to="coco")
    seconds = time.perf_counter() - start
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def main(images: int) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.manifest", Path(folder) / "large.manifest"
        write_manifest(small, images // 10)
        boxes = write_manifest(large, images)
        size = large.stat().st_size / (1 << 20)
        plain, plain_memory = measure("plain", large)
        _, small_memory = measure("coco", small)
        seconds, memory = measure("coco", large)
    print(f"{images:,} images, {boxes:,} boxes, a manifest of {size:.0f} MiB")
    print("| what | seconds | images a second | peak memory |")
    print("| --- | --- | --- | --- |")
    print(f"| plain loop of json.loads | {plain:.2f} | {images / plain:,.0f} | {plain_memory:.0f} MiB |")
    print(f"| to COCO | {seconds:.2f} | {images / seconds:,.0f} | {memory:.0f} MiB |")
    print(f"| to COCO, a tenth of the images | | | {small_memory:.0f} MiB |")
    print(f"speed: {seconds / plain:.1f} × the time of the plain loop; it reads the manifest twice and writes the file")
    print(f"memory: {memory / small_memory:.2f} × that of a tenth of the images")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        run_task(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 100_000)
