"""How far a project is, day by day: objects and labels completed, rejections, rounds, time in each status. Pure.

The counts of a day are what the provider reported last on it (`batch report --completed`), and what the labels said at
each *Ready for review*. The metrics of the days are those of the service's portal: total objects, objects completed by
day, labels completed by day. Days are of UTC.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from gtplus_cli.render import span
from gtplus_runtime.lifecycle import BATCH, BatchStatus


class Metrics(NamedTuple):
    """The metrics of one batch, or of several together.

    Attributes:
        batches: how many batches.
        objects: objects in all.
        objects_by_day: objects completed for the first time, by day.
        labels_by_day: labels completed, by day: an object that is labeled again in a later round counts again.
        reviewed: rounds that were decided on.
        rejected: those of them that were rejected.
        rework_rounds: rounds after the first.
        seconds: seconds in each status, until now in the one that a batch is in.
    """

    batches: int
    objects: int
    objects_by_day: Counter[str]
    labels_by_day: Counter[str]
    reviewed: int
    rejected: int
    rework_rounds: int
    seconds: Counter[str]

    @property
    def rejection_rate(self) -> float | None:
        """The share of decisions that were rejections; None where nothing was decided."""
        return self.rejected / self.reviewed if self.reviewed else None

    def within(self, first: str, last: str) -> "Metrics":
        """The same, with the days from the first to the last; dates are as in ISO 8601."""
        cut = [
            Counter({day: n for day, n in days.items() if first <= day <= last})
            for days in (self.objects_by_day, self.labels_by_day)
        ]
        return self._replace(objects_by_day=cut[0], labels_by_day=cut[1])

    def answer(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "batches": self.batches,
            "objects": self.objects,
            "objectsCompletedByDay": dict(sorted(self.objects_by_day.items())),
            "labelsCompletedByDay": dict(sorted(self.labels_by_day.items())),
            "decisions": self.reviewed,
            "rejections": self.rejected,
            "rejectionRate": self.rejection_rate,
            "reworkRounds": self.rework_rounds,
            "secondsInStatus": dict(self.seconds),
        }


def metrics_of(head: Mapping[str, Any], history: Mapping[str, Any], now: datetime) -> Metrics:
    """The metrics of one batch.

    Args:
        head: as `batch.list` or `batch.show` answers it.
        history: as `batch.history` answers it.
        now: until when the present status is counted.
    """
    events = history["events"]
    objects_by_day, labels_by_day = _days(head, history)
    statuses = Counter(event["status"] for event in events)
    seconds: Counter[str] = Counter()
    ends = [_time(event["at"]) for event in events[1:]] + [now]
    for event, end in zip(events, ends, strict=True):
        if not BATCH[event["status"]].is_end:
            seconds[event["status"]] += max(round((end - _time(event["at"])).total_seconds()), 0)
    return Metrics(
        batches=1,
        objects=head.get("objects", {}).get("total", 0),
        objects_by_day=objects_by_day,
        labels_by_day=labels_by_day,
        reviewed=statuses[BatchStatus.ACCEPTED] + statuses[BatchStatus.REJECTED],
        rejected=statuses[BatchStatus.REJECTED],
        rework_rounds=max((event["round"] for event in events), default=1) - 1,
        seconds=seconds,
    )


def together(each: Iterable[Metrics]) -> Metrics:
    """The metrics of several batches as one."""
    batches = list(each)
    none: Counter[str] = Counter()
    return Metrics(
        batches=sum(one.batches for one in batches),
        objects=sum(one.objects for one in batches),
        objects_by_day=sum((one.objects_by_day for one in batches), none),
        labels_by_day=sum((one.labels_by_day for one in batches), none),
        reviewed=sum(one.reviewed for one in batches),
        rejected=sum(one.rejected for one in batches),
        rework_rounds=sum(one.rework_rounds for one in batches),
        seconds=sum((one.seconds for one in batches), none),
    )


def _days(head: Mapping[str, Any], history: Mapping[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """What each day added: to the most that was ever completed, and to the most of its round."""
    told = [(event["at"], event["round"], _completed(event, head)) for event in history["events"]]
    # Before the events of its day: a count that belongs to the round after them is missed till the next, never doubled.
    told += [(day, None, counts.get("completed")) for day, counts in history["progress"].items()]
    objects: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    ever, of_round, round_ = 0, 0, 1
    for at, at_round, completed in sorted(told, key=lambda entry: entry[0]):
        if at_round is not None and at_round != round_:
            round_, of_round = at_round, 0
        if completed is not None:
            objects[at[:10]] += max(completed - ever, 0)
            labels[at[:10]] += max(completed - of_round, 0)
            ever, of_round = max(ever, completed), max(of_round, completed)
    return +objects, +labels


def _completed(event: Mapping[str, Any], head: Mapping[str, Any]) -> int | None:
    """The count that came with an event; of a first round that is ready for review, what its labels said."""
    reported = (event["data"] or {}).get("objects", {}).get("completed")
    if reported is not None or event["status"] != BatchStatus.READY_FOR_REVIEW or event["round"] != 1:
        return None if reported is None else int(reported)
    counts = head.get("objects", {})
    if head["round"] == 1:
        completed = counts.get("completed")
        return None if completed is None else int(completed)
    # The head counts a later round by now: the first labeled what has not failed.
    return int(counts.get("total", 0)) - int(counts.get("failed", 0))


def _time(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 240, 60, 60
_NAMES, _ROW = 180, 22
_COLORS = {"objects completed": "#2b6cb0", "labels completed": "#dd6b20"}
_STATUS_COLOR = "#4a5568"


def plot(title: str, metrics: Metrics) -> str:
    """The metrics as SVG: bars for the objects and labels completed on each day, and for the time in each status.

    Args:
        title: what is shown.
        metrics: of which days; between the first and the last, days without anything are left empty. Above them
            stand objects, rejections and rework rounds.
    """
    statuses_top = _TOP + _HEIGHT + 60
    height = statuses_top + _ROW * len(metrics.seconds)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="40" fill="#555">{_totals(metrics)}</text>',
        *_days_drawn(metrics),
        *_statuses_drawn(metrics.seconds, statuses_top),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _totals(metrics: Metrics) -> str:
    rate = metrics.rejection_rate
    decided = (
        "nothing decided"
        if rate is None
        else f"{metrics.rejected} of {metrics.reviewed} decisions rejected ({rate:.0%})"
    )
    rounds = metrics.rework_rounds
    return f"{metrics.objects:,} objects · {decided} · {rounds} rework round{'' if rounds == 1 else 's'}"


def _days_drawn(metrics: Metrics) -> Iterable[str]:
    series = list(zip(_COLORS.items(), (metrics.objects_by_day, metrics.labels_by_day), strict=True))
    days = _calendar(metrics.objects_by_day.keys() | metrics.labels_by_day.keys())
    most = max((count for _, counts in series for count in counts.values()), default=1)
    step = _WIDTH / max(len(days), 1)
    yield f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{most:,}</text>'
    yield f'<text x="{_LEFT - 6}" y="{_TOP + _HEIGHT + 4}" text-anchor="end">0</text>'
    yield f'<path d="M{_LEFT} {_TOP}v{_HEIGHT}h{_WIDTH}" fill="none" stroke="#888"/>'
    for place, ((name, color), counts) in enumerate(series):
        yield f'<text x="{_LEFT + _WIDTH - 260 + 140 * place}" y="20" fill="{color}">{name}</text>'
        for number, day in enumerate(days):
            if counts[day]:
                height = _HEIGHT * counts[day] / most
                left, top = _LEFT + step * (number + 0.1 + 0.4 * place), _TOP + _HEIGHT - height
                yield _bar(left, top, 0.4 * step, height, color, f"{day}: {counts[day]:,} {name}")
    for ends, x, anchor in ((days[:1], _LEFT, "start"), (days[1:][-1:], _LEFT + _WIDTH, "end")):
        yield from (f'<text x="{x}" y="{_TOP + _HEIGHT + 20}" text-anchor="{anchor}">{day}</text>' for day in ends)


def _statuses_drawn(seconds: Counter[str], top: float) -> Iterable[str]:
    most = max(seconds.values(), default=0) or 1
    for row, (status, count) in enumerate(seconds.most_common()):
        y = top + _ROW * row
        width = (_WIDTH - _NAMES - 80) * count / most
        left = _LEFT + _NAMES
        yield f'<text x="{left - 6}" y="{y}" text-anchor="end">{escape(status)}</text>'
        yield _bar(left, y - 11, width, 14, _STATUS_COLOR, f"{status}: {span(count)}")
        yield f'<text x="{left + width + 6:.1f}" y="{y}">{span(count)}</text>'


def _bar(left: float, top: float, width: float, height: float, color: str, title: str) -> str:
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{color}"><title>{escape(title)}</title></rect>'


def _calendar(days: Iterable[str]) -> list[str]:
    known = sorted(date.fromisoformat(day) for day in days)
    if not known:
        return []
    return [(known[0] + timedelta(n)).isoformat() for n in range((known[-1] - known[0]).days + 1)]
