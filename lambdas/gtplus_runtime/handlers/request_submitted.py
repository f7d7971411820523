"""*Request submitted*: check and freeze the input, then take a transfer slot or wait in line for one."""

from tempfile import TemporaryFile

from gtplus_runtime.check import check_manifest
from gtplus_runtime.handling import Batch, on_status, promote
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.manifest import inventory_line
from gtplus_runtime.report import Report, problem_line


@on_status
def handler(batch: Batch) -> None:
    """End a bad batch in *Data transfer failed* with the whole report; freeze the inventory of a good one."""
    project = batch.store.head(batch.key._replace(batch=None))
    form = project["form"] if project else {}
    place, objects = batch.place, batch.objects
    with TemporaryFile() as inventory, TemporaryFile() as problems:
        report = check_manifest(
            batch.head["form"]["input"],
            limits=place.limits,
            reads=place.reads,
            task_type=form.get("taskType"),
            s3=objects.s3,
            report=Report(lambda kind, problem: problems.write(problem_line(kind, problem))),
            keep=lambda text, frozen: inventory.write(inventory_line(text, frozen)),
        )
        if report.counts:
            everything = objects.keep_file(batch.file("report.jsonl"), problems)
            uri = objects.keep_json(batch.file("report.json"), {**report.answer(), "all": everything})
            batch.advance(BatchStatus.DATA_TRANSFER_FAILED, reason=report.summary(), report=uri)
            return
        frozen = objects.keep_file(batch.file("inventory.jsonl"), inventory)
    batch.note(
        {"total": report.good, "completed": 0, "failed": 0},
        inventory=frozen,
        bytes=report.size,
        files=report.files,
        taskType=form.get("taskType"),
        personalData={"declared": form.get("containsPii"), "flags": dict(report.flags)},
    )
    batch.tell_provider()
    line = batch.store.join_transfers(batch.place.provider, batch.key, batch.seq)
    promote(batch.store, line, batch.place)
