"""Checking an input manifest of a million lines: ours against a plain loop over `json.loads`, and one over orjson.

All three make the same checks and must count the same problems, on one machine in one run, in turns; the best of the
rounds counts. Memory is the growth of the peak of the process's resident set, each in a process of its own.

    python benchmarks/manifest.py [--lines 1000000] [--rounds 3]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "lambdas"))

from gtplus_runtime.check import check_manifest
from gtplus_runtime.places import GROUND_TRUTH

READS = ("s3://street-signs-bucket/raw/",)
SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_FILES = GROUND_TRUTH.max_files


def write(path: Path, lines: int) -> None:
    """Write a manifest: of each thousand lines one is no JSON, one lies elsewhere, one is of another format."""
    with path.open("w") as file:
        for number in range(lines):
            uri = f"{READS[0]}camera-north/2026-11-24/frame-{number:08}.jpg"
            match number % 1_000:
                case 100:
                    file.write("{'source-ref': 'no JSON'}\n")
                case 200:
                    file.write(json.dumps({"source-ref": uri.replace("/raw/", "/secret/")}) + "\n")
                case 300:
                    file.write(json.dumps({"source-ref": uri.replace(".jpg", ".tiff")}) + "\n")
                case 400:
                    file.write(json.dumps({"source-ref": uri, "weather": {"rain": 0.5}, "lane": [1, 2]}) + "\n")
                case _:
                    file.write(json.dumps({"source-ref": uri}) + "\n")


def ours(path: Path) -> Counter[str]:
    """The check as it is."""
    counts = check_manifest(path, limits=GROUND_TRUTH, reads=READS, task_type="image").counts
    del counts["too many files"]
    return counts


def loop(path: Path, loads: Callable[[bytes], Any]) -> Counter[str]:
    """The same checks in a plain loop, a line at a time."""
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    total = 0
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            total += 1
            if len(line) > 100_000:
                counts["line too long"] += 1
                continue
            try:
                entry = loads(line)
            except (ValueError, RecursionError):
                counts["not JSON"] += 1
                continue
            kind = wrong(entry)
            if kind is not None:
                counts[kind] += 1
                continue
            uri = entry.get("source-ref")
            if uri is not None and total <= MAX_FILES:
                if uri in seen:
                    counts["named twice"] += 1
                seen.add(uri)
    return counts


def wrong(entry: Any) -> str | None:
    """What is wrong with a line, as shortly as it can be said in Python."""
    if not isinstance(entry, dict):
        return "not an object"
    if ("source-ref" in entry) == ("source" in entry):
        return "no source"
    if "source" in entry:
        return None if isinstance(entry["source"], str) else "empty source"
    uri = entry["source-ref"]
    if not isinstance(uri, str) or not uri:
        return "empty source"
    if not uri.startswith(READS):
        return "outside the prefixes"
    if len(uri.encode()) > 1_024 or "/." in uri or not uri.isprintable():
        return "no S3 URI"
    if not uri.endswith(SUFFIXES):
        return "wrong format"
    if len(entry) > 1 and any(name.startswith("$") for name in entry):
        return "attribute name"
    return None


def ways() -> Iterator[tuple[str, Callable[[Path], Counter[str]]]]:
    """The ways to check, by name; orjson's only where it is installed."""
    yield "check_manifest", ours
    yield "json.loads loop", lambda path: loop(path, json.loads)
    try:
        import orjson
    except ModuleNotFoundError:
        print("orjson is not installed: pip install orjson")
        return
    yield "orjson.loads loop", lambda path: loop(path, orjson.loads)


def growth(way: str, path: Path) -> int:
    """Bytes by which the peak of memory grows in a process that checks the file once."""
    answer = subprocess.run(
        [sys.executable, __file__, "--measure", way, "--path", str(path)], capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


def measure(way: str, path: Path) -> None:
    """Check once, and print the growth."""
    small = path.with_suffix(".small")
    write(small, 1_000)
    check = dict(ways())[way]
    check(small)  # what is loaded once is no part of it
    before = peak()
    check(path)
    print(peak() - before)


def peak() -> int:
    """The peak of this process's resident set in bytes, as Linux counts it; `getrusage` would count the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1_024


def main() -> None:
    """Run it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure")
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.manifest")
        write(path, options.lines)
        best: dict[str, float] = {}
        counts: dict[str, Counter[str]] = {}
        for _ in range(options.rounds):
            for name, check in ways():
                started = time.perf_counter()
                counts[name] = check(path)
                best[name] = min(best.get(name, 1e9), time.perf_counter() - started)
        assert len({tuple(sorted(count.items())) for count in counts.values()}) == 1, counts
        memory = {name: growth(name, path) for name in best}
        more = growth("check_manifest", _longer(path))
    plain = best["json.loads loop"]
    print(f"{options.lines:,} lines, all three find {dict(counts['check_manifest'])}")
    print(f"{'way':20}{'seconds':>9}{'lines/s':>12}{'ratio':>8}{'memory':>10}")
    for name, seconds in best.items():
        rate, size = options.lines / seconds, memory[name] / (1 << 20)
        print(f"{name:20}{seconds:9.2f}{rate:12,.0f}{plain / seconds:8.2f}{size:7.1f} MiB")
    print(f"check_manifest, five times the lines: {more / (1 << 20):.1f} MiB")


def _longer(path: Path) -> Path:
    longer = path.with_suffix(".longer")
    with longer.open("wb") as file:
        for _ in range(5):
            with path.open("rb") as source:
                while piece := source.read(1 << 20):
                    file.write(piece)
    return longer


if __name__ == "__main__":
    main()
