"""Cold start of each handler against a bare one with the same client: CPU of import and first client, as a ratio.

Each measurement is a process of its own; ours and the bare one alternate, and the medians are compared. Also the size
of the asset, zipped as it is uploaded.

    python benchmarks/cold_start.py [--runs 15]
"""

import argparse
import io
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import gtplus_runtime

HERE = Path(__file__).parent
RUNTIME = Path(gtplus_runtime.__file__).parent
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "GTPLUS_TABLE": "batches",
    "PYTHONPATH": f"{RUNTIME.parent}:{HERE}",
}
BARE = "import bare_handler; bare_handler.handler({}, None)"
OURS = "import gtplus_runtime.handlers.{name}; from gtplus_runtime.handling import store; store()"
TIMED = "import time; begin = time.process_time(); {code}; print(time.process_time() - begin)"


def cpu(code: str) -> float:
    """Seconds of CPU that a fresh process takes for it."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(code=code)], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def asset_bytes() -> int:
    """The asset, zipped."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(RUNTIME.rglob("*.py")):
            zipped.write(file, file.relative_to(RUNTIME.parent))
    return len(archive.getvalue())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="measurements of each handler")
    runs = parser.parse_args().runs
    names = sorted(file.stem for file in (RUNTIME / "handlers").glob("*.py") if file.stem != "__init__")
    cpu(BARE)  # byte code is written once
    print("| handler | CPU, median | of a bare one |\n| --- | --- | --- |")
    for name in names:
        ours, bare = [], []
        code = OURS.format(name=name)
        cpu(code)
        for _ in range(runs):
            ours.append(cpu(code))
            bare.append(cpu(BARE))
        mine, least = statistics.median(ours), statistics.median(bare)
        print(f"| {name} | {mine * 1_000:.0f} ms | {mine / least:.2f} × |")
    print(f"\nasset: {asset_bytes() / 1_000:.0f} KB zipped")


if __name__ == "__main__":
    main()
