"""The simulated provider: does what the labeling service would do with a project's batches.

It reads and writes S3 with the project's data role only, and learns and reports through the API only. It keeps nothing
that matters in memory: killed anywhere and started again, it goes on where the batch stands.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from gtplus_cli.client import every
from gtplus_cli.simulation.ports import Client, Store, split_uri
from gtplus_cli.simulation.workforce import Labelers
from gtplus_cli.simulation.workorder import Item, WorkOrder, output_manifest
from gtplus_runtime.lifecycle import BATCH, BatchStatus

_LOG = logging.getLogger(__name__)
_FOR_GOOD = {"NoSuchKey", "NoSuchBucket", "NotFound", "404", "AccessDenied", "Forbidden", "403", "InvalidObjectState"}
_NAMED = 5
_LONGEST_REASON = 1_000


class _Unreadable(Exception):
    """An object that is not there or not ours to read: trying again would not help."""


class SimulatedProvider:
    """A provider of simulated labels for the batches of one project. For the local cloud and tests only.

    Args:
        client: the API, with the provider's right to report.
        s3: an S3 client with the credentials of the project's data role.
        project: whose batches.
        workforce: who labels.
        now: the clock of the manifests' creation dates, in UTC.
    """

    def __init__(
        self,
        client: Client,
        s3: Store,
        project: str,
        workforce: Labelers,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._s3 = s3
        self._project = project
        self._workforce = workforce
        self._now = now
        self._copies: dict[str, dict[Item, bytes]] = {}
        self._delivered: set[str] = set()
        self._troubles: dict[str, str] = {}
        self._steps: dict[str, Callable[[WorkOrder], str | None]] = {
            BatchStatus.DATA_TRANSFER_IN_PROGRESS: self._receive,
            BatchStatus.DATA_RECEIVED: self._begin,
            BatchStatus.IN_PROGRESS: self._label,
            BatchStatus.SENT_FOR_REWORK: self._label,
            BatchStatus.READY_FOR_DELIVERY: self._deliver,
        }

    def run(self, stop: Event, interval: float = 0.5) -> None:
        """Works until told to stop; what fails is logged and tried again.

        Args:
            stop: ends it, between two batches.
            interval: seconds between two looks at the project.
        """
        _LOG.info("simulated provider: works for %s with the %s", self._project, self._workforce.name)
        while not stop.is_set():
            try:
                self.work_once(stop)
            except Exception as error:
                self._trouble("list of batches", error)
            else:
                self._troubles.pop("list of batches", None)
            stop.wait(interval)

    def work_once(self, stop: Event | None = None) -> list[str]:
        """Does the next step of every batch of the project that has one.

        What fails in one batch is logged, and tried again the next time; it does not stop the others.

        Args:
            stop: once set, no further batch is begun.

        Returns:
            What was done, a line a step.
        """
        done = []
        for listed in every(self._client.call, "batch.list", "batches", project=self._project):
            batch, status = listed["batch"], listed["status"]
            if stop is not None and stop.is_set():
                break
            if status in BATCH and BATCH[status].is_end:
                self._copies.pop(batch, None)
                continue
            try:
                step = self._next_step(batch)
            except Exception as error:
                self._trouble(batch, error)
                continue
            self._troubles.pop(batch, None)
            if step:
                done.append(f"{batch}: {step}")
                _LOG.info("simulated provider: %s", done[-1])
        return done

    def _next_step(self, batch: str) -> str | None:
        # The list may lag behind; where a batch stands is what `batch.show` says.
        shown = self._client.call("batch.show", project=self._project, batch=batch)
        status, step = shown["status"], self._steps.get(shown["status"])
        if step is None or not shown.get("workOrder"):
            return None
        try:
            order = WorkOrder.parse(self._get(shown["workOrder"]))
            if (order.project, order.batch) != (self._project, batch):
                raise ValueError(f"its work order is that of {order.project}/{order.batch}")
            # A rework begins before its order is written; until then the last round's is shown.
            return step(order) if order.round == shown["round"] else None
        except _Unreadable as error:
            # This status alone has a way to say so; later on people look at what the log says.
            if status != BatchStatus.DATA_TRANSFER_IN_PROGRESS:
                raise
            return self._report(batch, BatchStatus.DATA_TRANSFER_FAILED, reason=str(error)[:_LONGEST_REASON])

    def _receive(self, order: WorkOrder) -> str:
        inputs = self._inventory(order)
        unreadable = []
        for item in inputs:
            try:
                if item.is_file:
                    self._copy(order.batch, item)
            except _Unreadable as error:
                unreadable.append(str(error))
        if unreadable:
            more = [f"and {len(unreadable) - _NAMED} more"] if len(unreadable) > _NAMED else []
            raise _Unreadable(
                f"{len(unreadable)} of {len(inputs)} objects: " + "; ".join([*unreadable[:_NAMED], *more])
            )
        return self._report(order.batch, BatchStatus.DATA_RECEIVED, round=order.round)

    def _begin(self, order: WorkOrder) -> str:
        return self._report(order.batch, BatchStatus.IN_PROGRESS, round=order.round)

    def _label(self, order: WorkOrder) -> str:
        if order.rework:
            rejected = len(self._get(order.rework).splitlines())
            _LOG.info("simulated provider: %s: %d rejected; all is done again", order.batch, rejected)
        inputs = self._inventory(order)
        images, unreadable = {}, {}
        for item in inputs:
            try:
                if item.is_file:
                    images[item.source] = self._copy(order.batch, item)
                else:
                    unreadable[item.source] = "inline text: the simulated workforce labels images only"
            except _Unreadable as error:
                unreadable[item.source] = str(error)
        work = self._workforce.label(images, with_care=order.round > 1)
        work.failed.update(unreadable)
        self._put(order.manifest, output_manifest(order, inputs, work, self._now()))
        return self._report(
            order.batch,
            BatchStatus.READY_FOR_REVIEW,
            manifest=order.manifest,
            round=order.round,
            objects={"completed": len(work.labels), "failed": len(work.failed)},
        )

    def _deliver(self, order: WorkOrder) -> str | None:
        # S3's own event tells of the delivery: written once, or each look would tell again.
        if order.delivery in self._delivered:
            return None
        accepted = self._get(order.manifest)
        try:
            there: bytes | None = self._get(order.delivery)
        except _Unreadable:
            # A role that may list a prefix only is refused what is not there: the two can't be told apart.
            there = None
        if there != accepted:
            self._put(order.delivery, accepted)
        self._delivered.add(order.delivery)
        return None if there == accepted else f"round {order.round} delivered to {order.delivery}"

    def _report(self, batch: str, status: BatchStatus, **body: Any) -> str:
        self._client.call("batch.report", project=self._project, batch=batch, status=str(status), **body)
        reason = f": {body['reason']}" if "reason" in body else ""
        return f"reported {status}{reason}"

    def _inventory(self, order: WorkOrder) -> list[Item]:
        return [Item.parse(line) for line in self._get(order.inventory).splitlines() if line.strip()]

    def _copy(self, batch: str, item: Item) -> bytes:
        # As the service keeps its own copy of what was transferred; after a restart it reads again.
        copies = self._copies.setdefault(batch, {})
        if item not in copies:
            copies[item] = self._get(item.source)
        return copies[item]

    def _get(self, uri: str) -> bytes:
        bucket, key = split_uri(uri)
        try:
            content: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in _FOR_GOOD:
                raise
            raise _Unreadable(f"cannot read {uri} ({code})") from error
        return content

    def _put(self, uri: str, content: bytes) -> None:
        bucket, key = split_uri(uri)
        self._s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/jsonlines")

    def _trouble(self, what: str, error: Exception) -> None:
        # What fails the same way each half second is said once.
        text = f"{type(error).__name__}: {error}"
        if self._troubles.get(what) != text:
            self._troubles[what] = text
            _LOG.warning("simulated provider: %s: %s; it tries again", what, text, exc_info=error)
