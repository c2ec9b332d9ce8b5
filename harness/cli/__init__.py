"""The command line: thin, one function a command. Data on standard output, everything else on standard error.

A new command is a function in one of these modules, or a module of its own and its name in the table below.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from harness.cli import (
    checking,
    comparing,
    creating,
    expecting,
    guiding,
    listing,
    merging,
    reporting,
    reproducing,
    running,
    showing,
    upkeep,
)
from harness.cli.group import FAULT, INTERRUPTED, USAGE, cli
from harness.errors import IotyetError, UsageError

#: Every module that has commands: to import one is to register them.
COMMANDS = (
    upkeep,
    running,
    checking,
    creating,
    expecting,
    reporting,
    merging,
    comparing,
    reproducing,
    showing,
    guiding,
    listing,
)


def main() -> NoReturn:
    """Entry point: turns our errors into one sentence and an exit code."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except UsageError as error:
        _leave(str(error), USAGE)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        sys.exit(USAGE)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        said = " ".join(error.format_message().split()).rstrip(".")
        _leave(f"{said}; `{context.command_path if context else 'iotyet'} --help` says what there is", USAGE)
    except (click.Abort, KeyboardInterrupt):
        _leave("interrupted", INTERRUPTED)
    except IotyetError as error:
        _leave(str(error), FAULT)


def _leave(message: str, code: int) -> NoReturn:
    print(f"iotyet: {message}", file=sys.stderr)
    sys.exit(code)
