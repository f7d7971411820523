"""The page `docs/lifecycle.md`, drawn from the lifecycle: `python -m gtplus_cli.lifecycle_page > docs/lifecycle.md`."""

from gtplus_runtime.lifecycle import BATCH, PROJECT, BatchStatus, Lifecycle, ProjectStatus


def page() -> str:
    """The page as Markdown, with a diagram and a table for batches and for projects."""
    return "\n".join(
        [
            "# The lifecycle",
            "",
            "Drawn from `lambdas/gtplus_runtime/lifecycle.py`; a test holds the two together.",
            "",
            "## Batches",
            "",
            *_diagram(BATCH, BatchStatus.PAUSED, BatchStatus.CANCELLED),
            *_table(BATCH),
            "## Projects",
            "",
            *_diagram(PROJECT, ProjectStatus.PAUSED, ProjectStatus.CLOSED),
            *_table(PROJECT),
        ]
    )


def _diagram(lifecycle: Lifecycle, *left_out: str) -> list[str]:
    arrows = [
        f"    {status.slug} --> {lifecycle[name].slug}: {' or '.join(sorted(duties))}"
        for status in lifecycle
        for name, duties in status.followers.items()
        if status.name not in left_out and name not in left_out
    ]
    return [
        "```mermaid",
        "stateDiagram-v2",
        *[f'    state "{status.name}" as {status.slug}' for status in lifecycle if status.name not in left_out],
        f"    [*] --> {lifecycle.first.slug}",
        *arrows,
        *[f"    {s.slug} --> [*]" for s in lifecycle if s.is_end and s.name not in left_out],
        "```",
        "",
        f"Not drawn: {' and '.join(left_out)}, to which almost every open status can go.",
        "",
    ]


def _table(lifecycle: Lifecycle) -> list[str]:
    rows = [
        f"| {status.name}{' (ours)' if status.ours else ''} | {status.meaning} | {status.waits_for or ''} |"
        for status in lifecycle
    ]
    return ["| status | meaning | waits for |", "| --- | --- | --- |", *rows, ""]


if __name__ == "__main__":
    print(page(), end="")
