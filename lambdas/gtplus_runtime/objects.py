"""The objects of a project in S3, through an S3 client: the runtime role's in a function, the caller's in the CLI."""

import hashlib
import json
import zlib
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

from gtplus_runtime.found import Found
from gtplus_runtime.places import split_uri
from gtplus_runtime.store import TRIES, Busy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1 << 20
_JSON_LINES = "application/x-ndjson"
_GONE = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound"})
_REFUSED = frozenset({"AccessDenied", "403", "Forbidden"})
_OVERTAKEN = _GONE - {"NoSuchBucket"} | {"PreconditionFailed", "ConditionalRequestConflict"}


DENSE = 20
"""Wanted keys that make a page of a listing worth its call: at S3's prices a LIST costs as much as 12 HEADs, in time as
much as some fifty of which 16 are under way at once."""

PARALLEL = 16
"""Requests at once."""


class Unreadable(Exception):
    """An object or a bucket that is not there, or not for this caller to read.

    Attributes:
        code: S3's.
        refused: whether it is a right that is missing; without that of listing, S3 says so too of what is not there.
        mend: what to do about it.
    """

    def __init__(self, uri: str, code: str, mend: str) -> None:
        self.code, self.refused, self.mend = code, code in _REFUSED, mend
        super().__init__(f"{uri}: {code}; {mend}")


class Objects:
    """Reads and writes objects by their S3 URI.

    Args:
        s3: an S3 client.
    """

    def __init__(self, s3: "S3Client") -> None:
        self.s3 = s3

    def chunks(self, uri: str) -> Iterator[bytes]:
        """The bytes of an object, in pieces.

        Raises:
            Unreadable: it is not there, or not to be read.
        """
        bucket, key = split_uri(uri)
        try:
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
        except self.s3.exceptions.ClientError as error:
            raise _unreadable(error, uri, self._mend(bucket, key)) from None
        yield from body.iter_chunks(_CHUNK)

    def lines(self, uri: str) -> Iterator[dict[str, Any]]:
        """The JSON objects of a JSON Lines file that we wrote."""
        rest = b""
        for chunk in self.chunks(uri):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (json.loads(line) for line in whole if line)
        if rest:
            yield json.loads(rest)

    def json(self, uri: str) -> Any:
        """The content of a JSON file."""
        return json.loads(b"".join(self.chunks(uri)))

    def write_json(self, uri: str, value: Any) -> str:
        """Write a JSON file; returns its URI. Writing the same again changes nothing."""
        self._put(uri, _json(value), "application/json")
        return uri

    def write_text(self, uri: str, text: str, kind: str) -> str:
        """Write a text of a content type; returns its URI."""
        self._put(uri, text.encode(), kind)
        return uri

    def keep_json(self, uri: str, value: Any) -> str:
        """Keep a JSON file for good; see `keep_file`."""
        return self._keep(uri, _json(value), "application/json")

    def keep_lines(self, uri: str, entries: Iterable[Any]) -> str:
        """Keep a JSON Lines file for good; see `keep_file`."""
        return self._keep(uri, "".join(json.dumps(entry) + "\n" for entry in entries).encode(), _JSON_LINES)

    def keep_file(self, uri: str, file: BinaryIO) -> str:
        """Keep what a JSON Lines file holds, from its beginning, for good: its name bears the hash of its content.

        So nobody who comes late, with other content, writes over what is relied upon by now.

        Returns:
            The URI, as it is then: `inventory.jsonl` is kept as `inventory-<16 digits>.jsonl`.
        """
        file.seek(0)
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        file.seek(0)
        kept = _named(uri, digest.hexdigest())
        self._put(kept, file, _JSON_LINES)
        return kept

    def _keep(self, uri: str, body: bytes, kind: str) -> str:
        kept = _named(uri, hashlib.sha256(body).hexdigest())
        self._put(kept, body, kind)
        return kept

    def replace_json(self, uri: str, value: Any, stays: Callable[[Any], bool], tag: str = "") -> str:
        """Write a JSON file in the place of what lies there, unless that is to stay.

        Writers at one moment go one after the other: S3 writes if there is still what was read, and answers 412 or 409
        if not ("How to prevent object overwrites with conditional writes" in the Amazon S3 User Guide).

        Args:
            uri: where.
            value: what to write.
            stays: whether what lies there, as JSON, is to stay.
            tag: the ETag of one that is not: where it is still that, it need not be read.

        Returns:
            The ETag of what lies there then.

        Raises:
            Busy: others wrote there every time.
        """
        if tag and (written := self._put_if(uri, value, IfMatch=tag)):
            return written
        bucket, key = split_uri(uri)
        for _ in range(TRIES):
            guard: Any = {"IfNoneMatch": "*"}
            try:
                there = self.s3.get_object(Bucket=bucket, Key=key)
                guard = {"IfMatch": there["ETag"]}
                if stays(json.loads(there["Body"].read())):
                    return there["ETag"]
            except self.s3.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
            except ValueError:
                pass  # not ours, and nothing to be kept
            if written := self._put_if(uri, value, **guard):
                return written
        raise Busy(f"{uri} is written by too many at once")

    def _put_if(self, uri: str, value: Any, **guard: Any) -> str | None:
        """The ETag; None where others came between."""
        try:
            return self._put(uri, _json(value), "application/json", **guard)
        except self.s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in _OVERTAKEN:
                raise
        return None

    def _mend(self, bucket: str, key: str) -> str:
        # A prefix is told from a manifest by its last slash, which is easily forgotten.
        try:
            answer = self.s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/", MaxKeys=1)
        except self.s3.exceptions.ClientError:
            answer = {}  # type: ignore[typeddict-item]
        if answer.get("Contents"):
            return f"objects lie under s3://{bucket}/{key}/ : a prefix ends in /"
        return "upload it, or mend the location"

    def find(self, uri: str) -> Found | None:
        """What is there, or None."""
        bucket, key = split_uri(uri)
        try:
            answer = self.s3.head_object(Bucket=bucket, Key=key)
        except self.s3.exceptions.ClientError as error:
            # Without s3:ListBucket on the key S3 answers 403 for what is not there.
            if error.response["Error"]["Code"] in _GONE | _REFUSED:
                return None
            raise
        etag, modified = answer["ETag"].strip('"'), answer["LastModified"].isoformat()
        return Found(answer["ContentLength"], etag, modified, answer.get("VersionId"))

    def under(self, bucket: str, prefix: str) -> Iterator[tuple[str, Found]]:
        """Everything under a prefix, in the order of the keys: one call for each thousand.

        Raises:
            Unreadable: the bucket is not there, or not to be listed.
        """
        try:
            for page in self._pages(bucket, prefix):
                yield from page
        except self.s3.exceptions.ClientError as error:
            raise _unreadable(
                error, f"s3://{bucket}/{prefix}", "look at the bucket, and at the grant on the prefix"
            ) from None

    def region_of(self, bucket: str) -> str | None:
        """The region of a bucket, or None where S3 does not say; a refusal says it too, in its header."""
        try:
            answer: Any = self.s3.head_bucket(Bucket=bucket)
        except self.s3.exceptions.ClientError as error:
            answer = error.response
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
                # S3 could not say, and is asked again: unchecked a bucket would pass.
                raise
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
        return str(region) if region else None

    def find_all(self, uris: Iterable[str], reads: Iterable[str] = ()) -> dict[str, Found]:
        """Find objects of any bucket, as `look_up` does.

        Args:
            uris: the wanted ones.
            reads: S3 URIs of the prefixes that may be listed.
        """
        wanted: dict[str, list[str]] = defaultdict(list)
        for uri in uris:
            bucket, key = split_uri(uri)
            wanted[bucket].append(key)
        prefixes: dict[str, list[str]] = defaultdict(list)
        for uri in reads:
            bucket, key = split_uri(uri)
            prefixes[bucket].append(key)
        return {
            f"s3://{bucket}/{key}": there
            for bucket, keys in wanted.items()
            for key, there in self.look_up(bucket, keys, prefixes[bucket]).items()
        }

    def look_up(self, bucket: str, keys: Iterable[str], prefixes: Iterable[str] = ()) -> dict[str, Found]:
        """Find objects: by listing where they lie dense, by parallel HEAD where they lie thin.

        A listing costs as much as about `DENSE` HEADs and finds up to 1,000 keys. So the way is: list from the next
        wanted key on, as long as each page has `DENSE` wanted ones; else ask for the next ones by HEAD, twice as many
        each time that a page was thin, and list again.

        Args:
            bucket: the bucket.
            keys: the wanted ones.
            prefixes: those that may be listed; a listing never spans two of them. Default: the keys' first folders.
        """
        found: dict[str, Found] = {}
        single: list[str] = []
        for folder, wanted in _grouped(keys, tuple(prefixes)):
            position, step = 0, DENSE
            while len(wanted) - position > DENSE:
                # The key at this position is asked for alone, since a listing begins after it.
                single.append(wanted[position])
                dense, position = self._list_dense(bucket, folder, wanted, position, found)
                step = DENSE if dense else 2 * step
                single += wanted[position : position + step]
                position += step
            single += wanted[position:]
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = pool.map(lambda key: self.find(f"s3://{bucket}/{key}"), single)
            found.update((key, there) for key, there in zip(single, answers, strict=True) if there is not None)
        return found

    def _list_dense(
        self, bucket: str, folder: str, wanted: list[str], position: int, found: dict[str, Found]
    ) -> tuple[bool, int]:
        """List from after a wanted key as long as it is worth it: whether it ever was, and the next wanted key."""
        dense = False
        start = wanted[position]
        position += 1
        for page in self._pages(bucket, folder, start):
            if not page:
                continue
            last, there, begin = page[-1][0], dict(page), position
            while position < len(wanted) and wanted[position] <= last:
                if (known := there.get(wanted[position])) is not None:
                    found[wanted[position]] = known
                position += 1
            if position - begin < DENSE or position == len(wanted):
                return dense, position
            dense = True
        # The listing has ended: what is wanted and comes later is not there.
        return True, len(wanted)

    def read_all(self, uris: list[str]) -> dict[str, bytes]:
        """The bytes of objects, read in parallel; those that are not there are left out."""

        def read(uri: str) -> bytes | None:
            try:
                return b"".join(self.chunks(uri))
            except Unreadable:
                return None

        with ThreadPoolExecutor(PARALLEL) as pool:
            contents = zip(uris, pool.map(read, uris), strict=True)
            return {uri: content for uri, content in contents if content is not None}

    def presign(self, uri: str, *, write: bool = False, seconds: int = 900) -> str:
        """A link that reads or writes the object for a while; it ends with the session that signed it, too."""
        bucket, key = split_uri(uri)
        action = "put_object" if write else "get_object"
        return self.s3.generate_presigned_url(action, Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)

    def _put(self, uri: str, body: bytes | BinaryIO, kind: str, **guard: Any) -> str:
        """Returns the ETag."""
        bucket, key = split_uri(uri)
        if isinstance(body, bytes):
            # The SDK would frame the bytes to add a checksum at their end, and say no length: see `aws.s3_as`.
            guard["ChecksumCRC32"] = b64encode(zlib.crc32(body).to_bytes(4)).decode()
        return self.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, **guard)["ETag"]

    def _pages(self, bucket: str, prefix: str, start: str | None = None) -> Iterator[list[tuple[str, Found]]]:
        after: Any = {} if start is None else {"StartAfter": start}
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **after)
        for page in pages:
            yield [
                (o["Key"], Found(o["Size"], o["ETag"].strip('"'), o["LastModified"].isoformat()))
                for o in page.get("Contents", ())
            ]


def _named(uri: str, digest: str) -> str:
    stem, dot, suffix = uri.rpartition(".")
    return f"{stem}-{digest[:16]}{dot}{suffix}"


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()


def _grouped(keys: Iterable[str], prefixes: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """The keys of each prefix in S3's order, with the folder that they share."""
    groups: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        prefix = next((p for p in prefixes if key.startswith(p)), None)
        groups[key[: key.find("/") + 1] if prefix is None else prefix].append(key)
    for group in groups.values():
        # S3 orders by the bytes of UTF-8, as Python does by code points.
        group.sort()
        first, last = group[0], group[-1]
        shared = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        yield first[: first.rfind("/", 0, shared) + 1], group


def _unreadable(error: Any, uri: str, mend: str) -> Exception:
    code = error.response["Error"]["Code"]
    return Unreadable(uri, code, mend) if code in _GONE | _REFUSED else error
