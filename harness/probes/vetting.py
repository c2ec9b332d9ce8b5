"""Whether a probe can be trusted, before any cell asks it something."""

from __future__ import annotations

import secrets
from typing import Any

from harness.errors import ContractViolation, CrateCrash, CrateTimeout
from harness.probes.talk import ProbeProcess
from harness.wire.messages import CALL_DEADLINE, EXIT_GRACE, ErrorCode, HelloReply
from harness.wire.operations import Vocabulary


def vet(process: ProbeProcess, vocabulary: Vocabulary) -> HelloReply:
    """Find out whether a probe can be trusted; ends the process.

    A probe that takes a random operation, or a random field of an operation that it declares, for something that it
    knows would answer anything (quic-interop-runner checks its implementations in the same way).

    Raises:
        ContractViolation: it cannot.
    """
    with process:
        return _vet(process, vocabulary)


def _vet(process: ProbeProcess, vocabulary: Vocabulary) -> HelloReply:
    hello = process.hello()
    if "wait" not in hello.ops:
        raise ContractViolation("hello does not claim wait, which every probe has")
    known = {op.name for op in vocabulary.operations} | {"wait"}
    strange = set(hello.ops) - known
    if strange:
        raise ContractViolation(f"hello claims operations that WIRE.md does not have: {', '.join(sorted(strange))}")
    unspoken = {dialect for setting in hello.settings for dialect in setting.dialects} - set(hello.dialects)
    if unspoken:
        raise ContractViolation(f"hello has settings for dialects that the probe lacks: {', '.join(sorted(unspoken))}")
    operation = f"op_{secrets.token_hex(4)}"
    field = f"field_{secrets.token_hex(4)}"
    questions: list[tuple[str, dict[str, Any]]] = [(operation, {}), *((op, {field: 1}) for op in hello.ops)]
    for op, fields in questions:
        try:
            reply = process.exchange(op, fields, CALL_DEADLINE)
        except (CrateCrash, CrateTimeout) as error:
            raise ContractViolation(f"the probe does not refuse what nobody knows: {error.observed}") from error
        if reply.error is None or reply.error.code is not ErrorCode.UNKNOWN:
            what = f"the operation {op}" if op == operation else f"the field {field} of {op}"
            raise ContractViolation(f"the probe did not refuse {what}, which nobody knows, with the error unknown")
    status = process.close()
    if status != 0:
        how = "did not exit" if status is None else f"exited with status {status}"
        raise ContractViolation(
            f"the probe {how} after its standard input ended; status 0 within {EXIT_GRACE:g} s is due"
        )
    return hello
