"""What an upload has to do: a folder held against what lies in S3, by size and checksum."""

import base64
import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gtplus_cli.batch_input import Project, upload_folder
from gtplus_cli.upload import PART, File, plan, read_folder, sha256_of
from gtplus_runtime.places import GROUND_TRUTH
from gtplus_runtime.problems import Refused
from gtplus_runtime.rules import Rules
from tests.unit.fake_s3 import S3


class Checksums(S3):
    """A bucket that keeps checksums."""

    def __init__(self, keys: dict[str, bytes], checksums: dict[str, dict[str, str]]) -> None:
        super().__init__(keys)
        self.checksums = checksums

    def head_object(self, Bucket: str, Key: str, **options: Any) -> dict[str, Any]:
        assert options == {"ChecksumMode": "ENABLED"}
        return {**super().head_object(Bucket, Key), **self.checksums.get(Key, {})}


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def test_a_folder_is_read_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.txt", "a/deep/c.txt", ".git/x", "a/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file-link.txt").symlink_to(tmp_path / "b.txt")
    folder = read_folder(tmp_path, "raw/x/")
    assert [file.key for file in folder.files] == ["raw/x/a/deep/c.txt", "raw/x/b.txt", "raw/x/file-link.txt"]
    assert {file.size for file in folder.files} == {2}
    assert folder.hidden == 2


def test_the_checksum_of_parts_is_that_of_s3(tmp_path: Path) -> None:
    """ "Checking object integrity" in the S3 user guide: the digest of the parts' digests, and their number."""
    content = bytes(range(256)) * (PART // 128)  # two parts
    path = tmp_path / "x"
    path.write_bytes(content)
    digests = b"".join(hashlib.sha256(content[start : start + PART]).digest() for start in (0, PART))
    assert sha256_of(path, parts=True) == f"{b64(hashlib.sha256(digests).digest())}-2"
    assert sha256_of(path, parts=False) == b64(hashlib.sha256(content).digest())


@pytest.mark.parametrize(
    ("there", "checksums", "missing"),
    [
        (b"pixels", {"ChecksumSHA256": b64(hashlib.sha256(b"pixels").digest())}, False),
        (b"PIXELS", {"ChecksumSHA256": b64(hashlib.sha256(b"PIXELS").digest())}, True),
        (b"pixels", {"ChecksumCRC32": b64(zlib.crc32(b"pixels").to_bytes(4))}, False),
        (b"pixels", {"ChecksumCRC32": b64(zlib.crc32(b"others").to_bytes(4))}, True),
        (b"pixels", {"ChecksumCRC32": "AAAAAA==-2"}, True),
        (b"pixels", {}, True),
        (b"longer pixels", {"ChecksumSHA256": b64(hashlib.sha256(b"pixels").digest())}, True),
    ],
    ids=["the same", "another of the size", "by CRC32", "another CRC32", "CRC32 of parts", "none kept", "another size"],
)
def test_only_what_is_there_by_size_and_checksum_is_skipped(
    tmp_path: Path, there: bytes, checksums: dict[str, str], missing: bool
) -> None:
    (tmp_path / "1.jpg").write_bytes(b"pixels")
    file = File(tmp_path / "1.jpg", "raw/1.jpg", 6)
    s3 = Checksums({"raw/1.jpg": there}, {"raw/1.jpg": checksums})
    work = plan(s3, "data", "raw/", [file])
    assert (work.missing, work.there) == (([file], []) if missing else ([], [file]))


def test_what_lies_there_and_is_not_of_the_folder_is_named(tmp_path: Path) -> None:
    s3 = Checksums({"raw/": b"", "raw/x/2.jpg": b"", "raw/other.jpg": b"", "rawer/3.jpg": b""}, {})
    assert plan(s3, "data", "raw/", []).strangers == ["raw/other.jpg", "raw/x/2.jpg"]


def test_what_is_wrong_in_a_folder_is_told_before_anything_is_uploaded(tmp_path: Path) -> None:
    Image.new("1", (10_001, 10_000)).save(tmp_path / "large.png")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "fits.png")
    (tmp_path / "fake.jpg").write_bytes(b"no image")
    (tmp_path / "film.mp4").write_bytes(b"")
    project = Project.__new__(Project)
    project.deployed, project.reads = True, ("s3://data/raw/",)
    project.rules = Rules(GROUND_TRUTH, project.reads, "image")
    with pytest.raises(Refused, match="nothing was uploaded: 3 problems") as refused:
        upload_folder(None, project, "b", tmp_path, None)  # type: ignore[arg-type]
    assert [(Path(p.place).name, p.rule) for p in refused.value.problems] == [
        ("film.mp4", "one of .jpg, .jpeg, .png for the task type image"),
        ("fake.jpg", "begins as a JPEG or PNG does"),
        ("large.png", "an image has at most 100,000,000 pixels"),
    ]


@pytest.mark.parametrize("target", ["s3://data/labels/x/", "s3://data/raw/x", "s3://other/raw/x/"])
def test_a_folder_goes_to_a_prefix_of_the_project(tmp_path: Path, target: str) -> None:
    project = Project.__new__(Project)
    project.deployed, project.reads, project.rules = True, ("s3://data/raw/",), Rules()
    with pytest.raises(Refused) as refused:
        upload_folder(None, project, "b", tmp_path, target)  # type: ignore[arg-type]
    assert refused.value.problems[0].mend == "choose one under s3://data/raw/"
