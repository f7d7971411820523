"""A folder of files becomes a prefix in S3: with boto3's transfer manager, what is there already left as it is.

S3 checks each part's SHA-256 as it arrives and keeps it, so what is there can be told from what is here without reading
it back. Stopped at any moment, every object is there whole or not at all, and the same command goes on.
"""

import base64
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from s3transfer.futures import TransferFuture
from s3transfer.subscribers import BaseSubscriber

from gtplus_runtime.found import Found
from gtplus_runtime.objects import PARALLEL, Objects

PART = 8 << 20
"""Bytes of a part; a file that is no longer is uploaded in one piece."""

_PIECE = 1 << 20


class File(NamedTuple):
    """A file of the folder.

    Attributes:
        path: where it lies.
        key: of the object that it becomes.
        size: in bytes.
    """

    path: Path
    key: str
    size: int


class Folder(NamedTuple):
    """What a folder holds.

    Attributes:
        files: to be uploaded, in the order of their keys.
        hidden: how many files and folders were left out because their names begin with a dot.
    """

    files: list[File]
    hidden: int

    def found(self) -> Iterator[tuple[str, Found]]:
        """The files as a listing of the prefix would show them."""
        return ((file.key, Found(file.size, "", "")) for file in self.files)


def read_folder(folder: Path, prefix: str) -> Folder:
    """Look at a folder and all below it; links to folders are not followed.

    Args:
        folder: the folder.
        prefix: of the keys, ending in `/`.
    """
    files: list[File] = []
    hidden = 0
    for where, names, found in os.walk(folder):
        hidden += sum(name.startswith(".") for name in (*names, *found))
        names[:] = [name for name in names if not name.startswith(".")]
        for name in found:
            path = Path(where, name)
            if not name.startswith(".") and path.is_file():
                files.append(File(path, prefix + path.relative_to(folder).as_posix(), path.stat().st_size))
    return Folder(sorted(files, key=lambda file: file.key), hidden)


class Plan(NamedTuple):
    """What an upload has to do.

    Attributes:
        missing: files that are not there, or otherwise.
        there: files that are there already, by size and checksum.
        strangers: keys under the prefix that are no file of the folder.
    """

    missing: list[File]
    there: list[File]
    strangers: list[str]


def plan(s3: Any, bucket: str, prefix: str, files: list[File]) -> Plan:
    """Hold a folder against what lies in S3: one listing, and a HEAD for each object of the same size.

    Args:
        s3: an S3 client.
        bucket: the bucket.
        prefix: the prefix.
        files: the folder's.
    """
    listed = {key: found.size for key, found in Objects(s3).under(bucket, prefix) if not key.endswith("/")}
    candidates = [file for file in files if listed.get(file.key) == file.size]
    with ThreadPoolExecutor(PARALLEL) as pool:
        equal = list(pool.map(lambda file: _is_same(s3, bucket, file), candidates))
    there = [file for file, same in zip(candidates, equal, strict=True) if same]
    keys = {file.key for file in there}
    strangers = sorted(listed.keys() - {file.key for file in files})
    return Plan([file for file in files if file.key not in keys], there, strangers)


def upload(s3: Any, bucket: str, files: list[File], progress: Callable[[int], None]) -> None:
    """Upload files, many at once; S3 refuses what does not arrive as it was sent.

    Args:
        s3: an S3 client.
        bucket: the bucket.
        files: which.
        progress: is told of bytes as they go.

    Raises:
        KeyboardInterrupt: it was stopped; what was begun is cancelled, and parts that were sent are taken back.
    """
    config = TransferConfig(multipart_threshold=PART + 1, multipart_chunksize=PART, max_concurrency=PARALLEL)
    subscriber = _Progress(progress)
    # On an exception the manager cancels what is under way, and takes the parts of unfinished objects back.
    with create_transfer_manager(s3, config) as manager:
        arguments = {"ChecksumAlgorithm": "SHA256"}
        futures = [manager.upload(str(f.path), bucket, f.key, arguments, [subscriber]) for f in files]
        for future in futures:
            future.result()


class _Progress(BaseSubscriber):
    """What the transfer manager tells of the bytes that go."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def on_progress(self, future: TransferFuture, bytes_transferred: int, **_event: Any) -> None:
        """Bytes went; fewer than none where a part is sent again."""
        del future
        self._progress(bytes_transferred)


def _is_same(s3: Any, bucket: str, file: File) -> bool:
    """Whether the object has the file's content, by the checksum that S3 keeps; without one nobody knows."""
    answer = s3.head_object(Bucket=bucket, Key=file.key, ChecksumMode="ENABLED")
    if "ChecksumSHA256" in answer:
        return bool(answer["ChecksumSHA256"] == sha256_of(file.path, parts="-" in answer["ChecksumSHA256"]))
    checksum = answer.get("ChecksumCRC32", "-")
    return "-" not in checksum and bool(checksum == _crc32_of(file.path))


def sha256_of(path: Path, *, parts: bool) -> str:
    """The SHA-256 of a file as S3 keeps it.

    Args:
        path: the file.
        parts: as of an upload in parts of `PART` bytes: the digest of the parts' digests, and their number.
    """
    if not parts:
        with path.open("rb") as file:
            return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
    whole, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(PART):
            whole.update(hashlib.sha256(part).digest())
            count += 1
    return f"{base64.b64encode(whole.digest()).decode()}-{count}"


def _crc32_of(path: Path) -> str:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            value = zlib.crc32(piece, value)
    return base64.b64encode(value.to_bytes(4)).decode()
