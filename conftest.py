"""Loads the harness's pytest plugin, for `pytest scenarios/`."""

pytest_plugins = ["harness.plugin"]
