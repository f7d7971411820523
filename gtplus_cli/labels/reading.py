"""Where labels are read from: a file here, or an object in S3; and the video frames that a label refers to."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gtplus_runtime.labels import BadLine, Kind, Label, labels_of, read_lines, read_sequence
from gtplus_runtime.labels.model import Defect
from gtplus_runtime.labels.text import text_of
from gtplus_runtime.places import split_uri
from gtplus_runtime.problems import Problem, Refused, shown
from gtplus_runtime.strict_json import read_json

_CHUNK = 1 << 16

Fetch = Callable[[str], bytes]
"""Reads the object at an S3 URI; FileNotFoundError where there is none."""


@contextmanager
def opened(location: str | Path, s3: Any = None) -> Iterator[Path]:
    """A manifest as a file: itself where it lies here, else fetched into a file that is gone in the end.

    Args:
        location: a path, or an S3 URI.
        s3: the S3 client that fetches it; None makes one of the default session.

    Raises:
        Refused: there is no such file or object.
    """
    if not str(location).startswith("s3://"):
        if not Path(location).is_file():
            problem = Problem("manifest", "a file, or an S3 URI", str(location), "mend the location")
            raise Refused(404, "there is nothing to read", [problem])
        yield Path(location)
        return
    try:
        bucket, key = _object(str(location))
    except FileNotFoundError:
        problem = Problem("manifest", "s3://BUCKET/KEY", shown(str(location)), "mend the location")
        raise Refused(400, "there is nothing to read", [problem]) from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest"
        with path.open("wb") as file:
            _download(s3 or _client(), bucket, key, file)
        yield path


def _client() -> Any:
    import boto3

    return boto3.client("s3")


def _download(s3: Any, bucket: str, key: str, file: Any) -> None:
    try:
        s3.download_fileobj(bucket, key, file)
    except s3.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("404", "NoSuchKey", "NoSuchBucket", "403", "AccessDenied"):
            raise
        denied = code in ("403", "AccessDenied")
        # S3 says 403 of what is missing, too, to who must not list the bucket.
        mend = "ask for s3:GetObject on it, or mend the location" if denied else "mend the bucket or the key"
        problem = Problem("manifest", "must be there and readable", f"s3://{bucket}/{key}: {code}", mend)
        raise Refused(404, "there is nothing to read", [problem]) from None


_BUCKET = re.compile(r"[a-zA-Z0-9._-]{1,255}")
"""What boto3 takes for the name of a bucket."""


def _object(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI.

    Raises:
        FileNotFoundError: where there can be no object of it.
    """
    bucket, key = split_uri(uri)
    if not _BUCKET.fullmatch(bucket) or not key:
        raise FileNotFoundError(f"{uri}: no URI of an object")
    return bucket, key


def fetch_from(s3: Any) -> Fetch:
    """A reader of sequence files through an S3 client."""

    def fetch(uri: str) -> bytes:
        bucket, key = _object(uri)
        try:
            return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except s3.exceptions.ClientError as error:
            raise FileNotFoundError(f"{uri}: {error.response['Error']['Code']}") from None

    return fetch


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


class Line(NamedTuple):
    """A line of a manifest of labels.

    Attributes:
        number: from 1, as an editor counts.
        source: its object.
        labels: its labels.
        bad: why it is no line; it has neither object nor labels then.
    """

    number: int
    source: str = ""
    labels: tuple[Label, ...] = ()
    bad: BadLine | None = None


def lines_in(path: Path, attribute: str | None = None, fetch: Fetch | None = None) -> Iterator[Line]:
    """The lines of a manifest of labels.

    Args:
        path: the manifest.
        attribute: the label attribute; all that have metadata where none is named.
        fetch: reads the sequence files of video and point cloud labels; without it they stay references.
    """
    for number, line in read_lines(chunks_of(path)):
        if isinstance(line, BadLine):
            yield Line(number, bad=line)
        else:
            source = str(line.get("source-ref", line.get("source")))
            yield Line(number, source, tuple(_followed(label, fetch) for label in labels_of(line, attribute)))


def _followed(label: Label, fetch: Fetch | None) -> Label:
    if fetch is None or label.kind is not Kind.SEQUENCE or not isinstance(label.value, str):
        return label
    try:
        found = read_sequence(label, fetch(label.value))
    except (FileNotFoundError, ValueError) as error:
        return label._replace(defects=(*label.defects, Defect("sequence file that cannot be read", str(error))))
    prefix = _prefix(label.source, fetch)
    if prefix is None:
        return found

    def placed(frame: str) -> str:
        return prefix + frame if frame and not frame.isdecimal() else frame

    return found._replace(
        annotations=tuple(a._replace(frame=placed(a.frame or "")) for a in found.annotations),
        frames={placed(frame): besides for frame, besides in found.frames.items()},
    )


def _prefix(source: str, fetch: Fetch) -> str | None:
    """The folder of the frames, as the sequence file of the input names it; None where it does not."""
    try:
        sequence = read_json(fetch(source).decode()) if source.startswith("s3://") else None
    except (FileNotFoundError, ValueError):
        return None
    prefix = sequence.get("prefix") if isinstance(sequence, dict) else None
    return f"{text_of(prefix).rstrip('/')}/" if isinstance(prefix, str) and prefix.startswith("s3://") else None
