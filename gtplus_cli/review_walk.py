"""A review in the terminal: the sample object by object, a key for each verdict, which is kept at once."""

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from gtplus_cli.errors import STOPPED
from gtplus_cli.render import safe

Verdict = dict[str, Any]

_KEYS = "\\[c]orrect  \\[w]rong  \\[s]kip  \\[u]ndo  \\[o]pen  \\[q]uit"
_FRESH_SECONDS = 600.0
"""Links end after 15 minutes; after so long new ones are fetched."""


class Kept:
    """The verdicts so far, as JSON Lines in a file that is whole at every moment.

    Args:
        path: the file; where it exists, the review goes on with what it holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.verdicts: dict[str, Verdict] = {entry["object"]: entry for entry in map(json.loads, lines)}

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts[verdict["object"]] = verdict
        self._write()

    def undo(self) -> str | None:
        """Take back the verdict that was given last: its object, or None where there is none."""
        if not self.verdicts:
            return None
        object, _ = self.verdicts.popitem()
        self._write()
        return object

    def forget(self) -> None:
        """Remove the file, once its verdicts were sent."""
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text("".join(json.dumps(verdict) + "\n" for verdict in self.verdicts.values()))
        new.replace(self.path)


class Links:
    """The links to the objects, fetched anew before they end.

    Args:
        fetch: gets the sample with its links.
        objects: the sample as it was fetched just now.
    """

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]], objects: list[dict[str, Any]]) -> None:
        self._fetch = fetch
        self._take(objects)

    def of(self, object: str) -> str | None:
        """A link that can be followed now; None for an object that is no file in S3."""
        return self._both(object)[0]

    def of_label(self, object: str) -> str | None:
        """The same to the file that the object's label is: a mask, a sequence file; None where it is none."""
        return self._both(object)[1]

    def _both(self, object: str) -> tuple[str | None, str | None]:
        if time.monotonic() - self._since > _FRESH_SECONDS:
            self._take(self._fetch())
        return self._links.get(object, (None, None))

    def _take(self, objects: list[dict[str, Any]]) -> None:
        self._since = time.monotonic()
        self._links = {entry["object"]: (entry.get("url"), entry.get("labelUrl")) for entry in objects}


def kept_for(batch: str, seed: str) -> Kept:
    """Where the verdicts on a sample are kept until they are sent; the seed tells it from every other.

    Args:
        batch: as PROJECT/BATCH.
        seed: of the sample.
    """
    name = re.sub(r"[^A-Za-z0-9.-]", "_", f"{batch}-{seed}")
    return Kept(Path(typer.get_app_dir("gtplus")) / "reviews" / f"{name}.jsonl")


def walk(sample: Sequence[dict[str, Any]], kept: Kept, links: Links, out: Console, *, open_each: bool) -> bool:
    """Ask for a verdict on each object that has none yet.

    Args:
        sample: the objects, with their labels.
        kept: where the verdicts are kept.
        links: where the objects can be seen.
        out: the terminal.
        open_each: whether each object is opened as it comes, and not at the key `o` alone.

    Returns:
        Whether the verdicts are to be sent; otherwise they stay where they are kept.

    Raises:
        typer.Exit: at Ctrl-C, with what to do said.
    """
    try:
        finished = _ask_all(sample, kept, links, out, open_each=open_each)
    except (KeyboardInterrupt, EOFError, typer.Abort):
        _say_kept(kept, out)
        raise typer.Exit(STOPPED) from None
    if not finished:
        _say_kept(kept, out)
    return finished


def _ask_all(sample: Sequence[dict[str, Any]], kept: Kept, links: Links, out: Console, *, open_each: bool) -> bool:
    places = {entry["object"]: place for place, entry in enumerate(sample)}
    if kept.verdicts:
        out.print(f"going on after {len(kept.verdicts)} verdicts, kept in {safe(kept.path)}", soft_wrap=True)
    out.print(f"keys: {_KEYS}")
    place = 0
    while place < len(sample):
        entry = sample[place]
        if entry["object"] in kept.verdicts:
            place += 1
            continue
        _show(entry, place + 1, len(sample), links, out)
        if open_each:
            _open(entry, links, out)
        match _key(entry, links, out):
            case "c":
                kept.add({"object": entry["object"], "correct": True})
            case "w":
                reason = typer.prompt("what is wrong")
                kept.add({"object": entry["object"], "correct": False, "reason": reason})
            case "s":
                place += 1
            case "u":
                last = kept.undo()
                if last is None:
                    out.print("there is no verdict to take back")
                else:
                    place = places.get(last, place)
            case "q":
                return False
    right = sum(verdict["correct"] for verdict in kept.verdicts.values())
    wrong, skipped = len(kept.verdicts) - right, len(sample) - len(kept.verdicts)
    out.print(f"\n{right} right, {wrong} wrong, {skipped} without a verdict")
    return bool(kept.verdicts) and typer.confirm("send them?", default=True)


def _key(entry: dict[str, Any], links: Links, out: Console) -> str:
    while True:
        key = str(typer.getchar()).lower()
        if key in ("\x03", "\x04"):  # Ctrl-C and Ctrl-D, where the terminal hands them on as keys
            raise KeyboardInterrupt
        if key == "o":
            _open(entry, links, out)
        elif key and key in "cwsuq":
            return key
        else:
            out.print(f"keys: {_KEYS}")


def _show(entry: dict[str, Any], number: int, total: int, links: Links, out: Console) -> None:
    sure = f"  [dim](confidence {entry['confidence']:.0%})[/dim]" if entry.get("confidence") is not None else ""
    object, name = safe(entry["object"]), safe(entry["name"])
    out.print(f"\n[bold]{number} of {total}[/bold]  {object}  →  [bold]{name}[/bold]{sure}", soft_wrap=True)
    if url := links.of(entry["object"]):
        out.print(f"[link={url}]open the object[/link]")
    if url := links.of_label(entry["object"]):
        out.print(f"[link={url}]open its label[/link]")


def _open(entry: dict[str, Any], links: Links, out: Console) -> None:
    urls = [url for url in (links.of(entry["object"]), links.of_label(entry["object"])) if url is not None]
    if not urls:
        out.print("there is nothing to open: the object is the text above")
    for url in urls:
        _launch(url, out)


def _launch(url: str, out: Console) -> None:
    if not url.startswith(("https://", "http://")) or typer.launch(url) != 0:
        out.print(f"it cannot be opened from here; its link: {safe(url)}", soft_wrap=True)


def _say_kept(kept: Kept, out: Console) -> None:
    if kept.verdicts:
        out.print(
            f"\n{len(kept.verdicts)} verdicts are kept in {safe(kept.path)}; the same command goes on", soft_wrap=True
        )
    else:
        out.print("\nno verdict was given yet")
