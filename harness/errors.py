"""Everything that can go wrong, one class each; the class says whose fault it is.

A scenario never decides a verdict. It raises (or lets a helper raise) one of these, and `judge` maps the class to a
`Verdict`. An exception that is not listed here is a bug of ours: `broken`.
"""

from __future__ import annotations

from harness.model import Verdict


class IotyetError(Exception):
    """Base of all our errors; `str()` is one sentence that a user can act on."""


# -- usage and configuration: exit code 2 ----------------------------------------------------------


class UsageError(IotyetError):
    """The user asked for something that cannot be done as asked; the message names the next step."""


class ConfigError(UsageError):
    """A file of ours (crates.toml, expectations.toml, lines.toml) is wrong.

    Says where (file and key), what was found and what was expected.
    """

    def __init__(self, file: object, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key}: {problem}")


# -- faults of the harness: exit code 4 ------------------------------------------------------------


class HarnessFault(IotyetError):
    """The harness itself could not go on, for example because the disk is full."""


# -- what ends one attempt at a cell ---------------------------------------------------------------


class AttemptError(IotyetError):
    """Ends one attempt at a cell with the verdict of its class.

    `expected` and `observed` are whole sentences for the cell page.
    """

    verdict = Verdict.BROKEN

    def __init__(self, observed: str, *, expected: str = "") -> None:
        super().__init__(f"expected {expected}; observed {observed}" if expected else observed)
        self.expected = expected
        self.observed = observed


class Mismatch(AttemptError):
    """The crate did something else than the scenario states."""

    verdict = Verdict.FAIL


class RefusedByCrate(AttemptError):
    """The crate answered an operation with an error where it had to succeed.

    `code` is one of `wire.ErrorCode`; `definite` is false where the operation may have happened nevertheless.
    """

    verdict = Verdict.FAIL

    def __init__(self, observed: str, *, expected: str, code: str, definite: bool) -> None:
        super().__init__(observed, expected=expected)
        self.code = code
        self.definite = definite


class CrateTimeout(AttemptError):
    """The crate did not finish within the fixed deadline."""

    verdict = Verdict.TIMEOUT


class CrateCrash(AttemptError):
    """The probe process died: panic, signal or exit."""

    verdict = Verdict.CRASH


class FeatureUnsupported(AttemptError):
    """The probe says that the crate lacks `feature`; only a declaration in crates.toml makes that a verdict."""

    verdict = Verdict.BROKEN

    def __init__(self, feature: str, text: str) -> None:
        super().__init__(f"the probe replied unsupported for {feature!r}: {text}")
        self.feature = feature


class NotWritten(AttemptError):
    """The probe does not have this operation yet."""

    verdict = Verdict.NOT_RUN


class NotApplicable(AttemptError):
    """The behaviour would be the probe's code and not the crate's."""

    verdict = Verdict.NOT_APPLICABLE


class Unavailable(AttemptError):
    """A source or a broker line could not be obtained on this machine."""

    verdict = Verdict.UNAVAILABLE


class BuildFailed(AttemptError):
    """The crate's own source does not compile as declared; the message carries the compiler's first error."""

    verdict = Verdict.BUILD_FAILED


class ContractViolation(AttemptError):
    """The probe broke the wire contract: our fault, because we wrote the probe."""


class ReferenceFailed(AttemptError):
    """The reference client failed, so nothing can be said about the crate."""


class BrokerFailed(AttemptError):
    """The broker did not start, died, or did not do what was asked of it."""


class ScenarioFault(AttemptError):
    """The scenario or the harness is wrong, or this machine was too busy to judge."""


# -- commands ---------------------------------------------------------------------------------------


class CommandFailed(IotyetError):
    """A command ended with an error or ran out of time; carries both its streams."""

    def __init__(self, argv: list[str], returncode: int | None, stdout: str, stderr: str) -> None:
        how = "ran out of time" if returncode is None else f"exited with {returncode}"
        tail = (stderr or stdout).strip().splitlines()[-5:]
        super().__init__(f"`{' '.join(argv)}` {how}: " + " | ".join(tail))
        self.argv = argv
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
