"""Record what this version gives its handlers, for later versions to be held against: `python -m tests.golden.record`.

A recording is made once for a version of the items and is never made again: a batch that was begun under it may be open
for months. A newer shape gets a folder of its own beside.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.engine.cloud import Cloud, Execution
from tests.engine.test_engine import Engine

HERE = Path(__file__).parent
WAY = [True, True, True, True, False, True, True, True, True, True, True]
"""A rejected round, then a good one."""


class Recorder(Engine):
    """Plays one batch, and writes down each call of a handler with all that it can see."""

    def __init__(self, folder: Path, prefix: str) -> None:
        super().__init__()
        self.folder = folder
        run = self.cloud.run_handler

        def recorded(execution: Execution) -> bool:
            before = state(self.cloud)
            events = len(self.cloud.events("b0"))
            ended = run(execution)
            given = execution.input
            after = self.cloud.head("b0") or {}
            name = f"{prefix}{given['seq']:02}-{given['status'].lower().replace(' ', '-')}"
            call = {
                "input": {
                    **{field: given[field] for field in ("project", "batch", "seq", "status", "generation")},
                    "execution": execution.name,
                    "correlation": given["correlation"],
                },
                "before": before,
                "ended": ended,
                "follows": [event["status"] for event in self.cloud.events("b0")[events:]],
                "facts": sorted(after["facts"]),
                "objects": after["objects"],
            }
            folder.mkdir(exist_ok=True, parents=True)
            (folder / f"{name}.json").write_text(json.dumps(call, indent=1) + "\n")
            return ended

        self.cloud.run_handler = recorded  # type: ignore[method-assign]


def state(cloud: Cloud) -> dict[str, Any]:
    """The table, but for the answers of calls, which no handler reads; and the bucket."""
    items = [item for (_, sk), item in cloud.table.items.items() if not sk.startswith("COMMAND#")]
    return {
        "items": items,
        "bucket": {key: base64.b64encode(body).decode() for key, (body, _) in cloud.bucket.objects.items()},
    }


def stops(engine: Engine) -> Iterator[None]:
    """A batch that is paused, goes on and is cancelled."""
    for verb in ("create", "pause", "resume", "cancel"):
        yield engine.create("b0") if verb == "create" else engine.decide("b0", verb)


def failed_transfer(engine: Engine) -> Iterator[None]:
    """A batch whose data do not arrive."""
    yield engine.create("b0")
    yield engine.report("b0", "Data transfer failed", True, False)


def main_line(engine: Engine) -> Iterator[None]:
    """A batch that is rejected once."""
    for good in WAY:
        yield engine.go_on("b0", good)


WAYS: dict[str, Callable[[Engine], Iterator[None]]] = {
    "": main_line,
    "stops-": stops,
    "failed-": failed_transfer,
}
"""By the prefix of their files."""


def main() -> None:
    """Write the folder that is named; what is recorded there already stays as it is."""
    folder = HERE / sys.argv[1]
    for prefix, way in WAYS.items():
        if any(path.name.startswith(prefix or "01-") for path in folder.glob("*.json")):
            continue
        recorder = Recorder(folder, prefix)
        try:
            for _ in way(recorder):
                recorder.breathe(1_000)
        finally:
            recorder.patch.undo()


if __name__ == "__main__":
    main()
