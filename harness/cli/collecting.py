"""What a run would ask, without one."""

from __future__ import annotations

import contextlib
import io

import pytest

from harness.errors import HarnessFault
from harness.model import Profile
from harness.paths import ROOT, SCENARIOS
from harness.report.text import one_line
from harness.store import Plan


def collect(profile: Profile) -> Plan:
    """The plan of a run of everything, as pytest collects it; starts neither Docker nor cargo.

    Raises:
        HarnessFault: the scenarios cannot be collected.
    """
    found: list[Plan] = []

    class Collector:
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            # By the name under which the plugin registers, because nobody imports an entry point.
            found.append(session.config.pluginmanager.getplugin("iotyet-scenarios").plan(session.items))

    arguments = [str(SCENARIOS), "--rootdir", str(ROOT), "--collect-only", "-q", "-p", "no:cacheprovider"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*arguments, "--profile", profile.value], plugins=[Collector()])
    if code != pytest.ExitCode.OK:
        raise HarnessFault(f"the scenarios cannot be collected: {one_line(said.getvalue()[-400:])}")
    return found[-1]
