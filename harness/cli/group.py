"""The group that every command belongs to, and how commands speak."""

from __future__ import annotations

import sys

import click

#: Exit codes, as docs/design.md explains them.
USAGE, FAULT, INTERRUPTED = 2, 4, 130


def say(text: str) -> None:
    print(f"iotyet: {text}", file=sys.stderr, flush=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iotyet")
def cli() -> None:
    """Check Rust IoT crates against real brokers, and publish what works.

    Example: iotyet run rumqttc --broker mosquitto
    """
