"""The work order of a round: what a provider is asked to do, as the workspace writes it to S3."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from gtplus_cli.simulation.workforce import Work
from gtplus_runtime.found import FROZEN

_VERSION = 1


class WorkOrder(NamedTuple):
    """A provider's order for one round of one batch. URIs are of S3.

    Attributes:
        project: the project.
        batch: the batch.
        round: 1, and one more with each rework.
        label_attribute: the attribute of the output manifest that takes the labels.
        inventory: lists the objects to label.
        rework: lists the rejected objects with reasons; None in the first round.
        manifest: where the round's output manifest goes.
        delivery: where the accepted round's output manifest goes.
    """

    project: str
    batch: str
    round: int
    label_attribute: str
    inventory: str
    rework: str | None
    manifest: str
    delivery: str

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Reads a work order's JSON.

        Raises:
            ValueError: if it is of an unknown version.
        """
        order: dict[str, Any] = json.loads(text)
        if order.get("version") != _VERSION:
            raise ValueError(f"a work order of version {order.get('version')!r}; known is {_VERSION}")
        return cls(
            project=order["project"],
            batch=order["batch"],
            round=order["round"],
            label_attribute=order["labelAttribute"],
            inventory=order["inventory"],
            rework=order.get("rework"),
            manifest=order["manifest"],
            delivery=order["delivery"],
        )

    @property
    def job_name(self) -> str:
        """What the output manifest names as its labeling job; it says that the work is simulated."""
        return f"simulated/{self.project}/{self.batch}/round-{self.round}"


class Item(NamedTuple):
    """A line of the inventory: one object to label.

    Attributes:
        source: its S3 URI, or its inline text.
        is_file: whether it is the former.
        etag: of the file.
        carried: the customer's line as JSON, which the output carries through.
    """

    source: str
    is_file: bool
    etag: str
    carried: str

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Reads a line of the inventory."""
        entry: dict[str, Any] = json.loads(line)
        is_file = "source-ref" in entry
        carried = json.dumps({name: value for name, value in entry.items() if name != FROZEN})
        return cls(
            entry["source-ref" if is_file else "source"], is_file, entry.get(FROZEN, {}).get("etag", ""), carried
        )


def output_manifest(order: WorkOrder, items: Iterable[Item], work: Work, created: datetime) -> bytes:
    """Writes a round's output: Ground Truth's augmented manifest of an image classification.

    An object that could not be labeled keeps its line, with the reason in its metadata and no label.
    """
    return b"".join(line.encode() + b"\n" for line in _lines(order, items, work, created))


def _lines(order: WorkOrder, items: Iterable[Item], work: Work, created: datetime) -> Iterator[str]:
    about = {
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": created.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "job-name": order.job_name,
    }
    for item in items:
        yield json.dumps(json.loads(item.carried) | _label(order.label_attribute, work, item.source, about))


def _label(attribute: str, work: Work, obj: str, about: Mapping[str, str]) -> dict[str, Any]:
    given = work.labels.get(obj)
    if given is None:
        return {f"{attribute}-metadata": {"failure-reason": work.failed[obj], **about}}
    return given.written(attribute, about)
