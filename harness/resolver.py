"""Host names that nobody else knows: nss_wrapper answers one process's getaddrinfo from a file of ours.

https://cwrap.org/nss_wrapper.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import Unavailable

_LIBRARY = "libnss_wrapper.so"
#: Where Linux distributions have it: with or without a folder for the machine's architecture.
_FOLDERS = ("usr/lib/*", "usr/lib", "usr/lib64")


def is_installed() -> bool:
    """Whether this machine has the library."""
    return _find() is not None


def knowing(host: str, addresses: Sequence[str], file: Path) -> dict[str, str]:
    """The environment of a process for which `host` has these addresses, in this order.

    Args:
        host: the name.
        addresses: IP addresses.
        file: where to write them; it has to stay while the process lives.

    Raises:
        Unavailable: the library is not installed.
    """
    library = _find()
    if library is None:
        raise Unavailable(f"the library {_LIBRARY} is not installed; `iotyet setup` installs it on Debian and Ubuntu")
    file.write_text("".join(f"{address} {host}\n" for address in addresses), encoding="ascii")
    return {"LD_PRELOAD": str(library), "NSS_WRAPPER_HOSTS": str(file)}


def _find() -> Path | None:
    return next((path for folder in _FOLDERS for path in Path("/").glob(f"{folder}/{_LIBRARY}")), None)
