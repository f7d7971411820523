"""How the command line says no: a sentence, a table of all that is wrong, and an exit code; never a traceback."""

import os
import sys
import traceback
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtplus_cli.client import Unreachable
from gtplus_runtime.problems import Problem, Refused

DONE, REFUSED, USED_WRONGLY, NOT_REACHED, STOPPED = 0, 1, 2, 3, 130
"""The exit codes; the last is that of Ctrl-C in every shell."""

DEBUG = "GTPLUS_DEBUG"
"""Set it to see the traceback of an unexpected error."""


def guarded(run: Callable[[], object], console: Console) -> int:
    """Run a command, and turn what it raises into words and an exit code.

    Args:
        run: the command; wrong use exits by itself, with USED_WRONGLY.
        console: where errors are written.
    """
    try:
        run()
        return DONE
    except Refused as refused:
        show_refusal(refused, console)
        return REFUSED
    except Unreachable as error:
        console.print(Text(str(error), style="red"))
        return NOT_REACHED
    except (ClientError, BotoCoreError) as error:
        console.print(Text(f"AWS said no: {error}", style="red"))
        return NOT_REACHED
    except ModuleNotFoundError as error:
        extra = "pip install 'gtplus-constructs[local]'"
        console.print(Text(f"this command needs more than is installed ({error.name}): {extra}", style="red"))
        return REFUSED
    except OSError as error:
        if not isinstance(error.filename, str) or os.environ.get(DEBUG):
            return _unexpected(error, console)
        problem = Problem("file", "must be there, and open to you", error.filename, "mend the path or its rights")
        show_refusal(Refused(400, error.strerror or "a file failed", [problem]), console)
        return REFUSED
    except SystemExit as ended:
        # Typer turns Ctrl-C into this; what was under way has been taken back by then.
        if ended.code == STOPPED:
            console.print("stopped; nothing is half done, the same command goes on")
        raise
    except Exception as error:
        return _unexpected(error, console)


def _unexpected(error: Exception, console: Console) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exception(error, file=sys.stderr)
    # Errors that know what to do about themselves say it; what is unexpected says how to see more.
    console.print(Text(f"{type(error).__name__}: {error}", style="red"))
    console.print(f"set {DEBUG}=1 to see where", style="dim")
    return REFUSED


def show_refusal(refused: Refused, console: Console) -> None:
    """Show all that is wrong, each with its place, rule, value and mend."""
    console.print(Text(refused.summary, style="red"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    for problem in refused.problems:
        value = f" ({problem.value})" if problem.value else ""
        table.add_row(Text(problem.place, style="bold"), Text(f"{problem.rule}{value}"), Text(problem.mend))
    if refused.problems:
        console.print(table)
