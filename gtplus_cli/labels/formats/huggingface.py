"""Hugging Face `datasets`: a folder that `load_dataset` reads (its docs, "Create an image dataset" and "ImageFolder").

Images get a `metadata.jsonl` whose `file_name` is the path below the folder that holds all objects: copy that folder
here and the dataset is whole. Their classes stand there by name, since `datasets` takes the features of a folder of
images from the data alone; `cast` numbers them. Texts get a `data.jsonl` with numbers, whose names `README.md` tells;
named entities as character offsets (`entities`) and as tokens with BIO tags (`tokens`, `ner_tags`). `README.md` is the
dataset card.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtplus_cli.labels.formats.writer import Source, Writer, to_json
from gtplus_cli.labels.survey import thing
from gtplus_runtime.labels import Annotation, Box, Kind, Label, Span, Statistics
from gtplus_runtime.labels.card import dataset_card

_TOKEN = re.compile(r"\w+|[^\w\s]")


class HuggingFaceWriter(Writer):
    """Writes a folder in the layout of Hugging Face `datasets`."""

    def __init__(self, output: Path, source: Source) -> None:
        super().__init__(output, source)
        self.output.mkdir(parents=True, exist_ok=True)
        of_text = any(type_.startswith("groundtruth/text") for _, type_ in self.survey.kinds)
        self._is_image = bool(self.survey.root) and not of_text
        self._many = any(type_.endswith("-multilabel") for _, type_ in self.survey.kinds)
        name = "metadata.jsonl" if self._is_image else "data.jsonl"
        self._file = (self.output / name).open("w", encoding="ascii")
        self._statistics = Statistics()
        self._kind: Kind | None = None

    def add(self, label: Label) -> None:
        self._statistics.add(label)
        before = self.written
        self._write_label(label)
        for annotation in label.annotations if self.written > before else ():
            self.leave_what_it_says_besides(annotation)

    def _write_label(self, label: Label) -> None:
        self._kind = self._kind or label.kind
        if label.kind is not self._kind:
            self.left[f"labels of another kind than {self._kind}: {label.kind}"] += 1
        elif label.kind is Kind.CLASSES:
            self._write_classes(label)
        elif label.kind is Kind.SPANS:
            self._write_entities(label)
        else:
            self._write_objects(label)

    def _write(self, row: dict[str, Any]) -> None:
        self.written += 1
        self._file.write(to_json(row) + "\n")

    def _object(self, label: Label) -> dict[str, Any]:
        if self._is_image:
            return {"file_name": next(self.pictures(label)).name}
        return {"source" if label.source.startswith("s3://") else "text": label.source}

    def _write_classes(self, label: Label) -> None:
        names = [annotation.name for annotation in label.annotations]
        classes: list[Any] = names if self._is_image else [self.number[name] for name in names]
        if self._many:
            self._write({**self._object(label), "labels": classes})
        elif len(classes) == 1:
            self._write({**self._object(label), "label": classes[0]})
        else:
            self.left["labels with not just one class"] += 1

    def _write_objects(self, label: Label) -> None:
        for picture in self.pictures(label):
            self.leave_what_is_said_of_a_frame(picture)
            boxes = [(a, a.geometry) for a in picture.annotations if isinstance(a.geometry, Box)]
            for annotation in picture.annotations:
                if not isinstance(annotation.geometry, Box):
                    self.left[thing(annotation, label.kind)] += 1
            names = [annotation.name for annotation, _ in boxes]
            objects = {"bbox": [[float(edge) for edge in box] for _, box in boxes], "categories": names}
            width, height = (int(edge) for edge in picture.size) if picture.size else (None, None)
            self._write({"file_name": picture.name, "width": width, "height": height, "objects": objects})

    def _write_entities(self, label: Label) -> None:
        spans = [(a, a.geometry) for a in label.annotations if isinstance(a.geometry, Span)]
        self.left["spans that cannot be read"] += len(label.annotations) - len(spans)
        entities = [{"start": span.start, "end": span.end, "label": a.name} for a, span in spans]
        row: dict[str, Any] = {**self._object(label), "entities": entities}
        if "text" in row:
            tokens = list(_TOKEN.finditer(label.source))
            row |= {"tokens": [token.group() for token in tokens], "ner_tags": list(self._tags(tokens, spans))}
        self._write(row)

    def _tags(self, tokens: list[re.Match[str]], spans: list[tuple[Annotation, Span]]) -> Iterator[int]:
        """The tag of each token: 0 outside, 2n + 1 where an entity of class n begins, 2n + 2 where it goes on."""
        before = None
        for token in tokens:
            inside = next((pair for pair in spans if token.start() < pair[1].end and token.end() > pair[1].start), None)
            number = self.number[inside[0].name] if inside else 0
            yield 0 if inside is None else 2 * number + (2 if inside is before else 1)
            before = inside

    def close(self) -> None:
        self._file.close()
        card = dataset_card({"labels": self._statistics.summary()})
        if not self._is_image:
            info = {
                "dataset_info": {"features": [{"name": "text", "dtype": "string"}, *self._features()]},
                "configs": [{"config_name": "default", "data_files": "data.jsonl"}],
            }
            # JSON is YAML.
            card = f"---\n{json.dumps(info, indent=2)}\n---\n{card}"
        (self.output / "README.md").write_text(card, encoding="utf-8")

    def _features(self) -> Iterator[dict[str, Any]]:
        if self._kind is Kind.CLASSES:
            classes = _class_label(self.classes)
            yield {"name": "labels", "list": classes} if self._many else {"name": "label", "dtype": classes}
            return
        tags = ["O", *(f"{sign}-{name}" for name in self.classes for sign in "BI")]
        offsets = [{"name": "start", "dtype": "int64"}, {"name": "end", "dtype": "int64"}]
        yield {"name": "entities", "list": [*offsets, {"name": "label", "dtype": "string"}]}
        yield {"name": "tokens", "list": "string"}
        yield {"name": "ner_tags", "list": _class_label(tags)}


def _class_label(names: list[str]) -> dict[str, Any]:
    return {"class_label": {"names": {str(number): name for number, name in enumerate(names)}}}
