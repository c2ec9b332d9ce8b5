"""Gets the image of a broker line: the official one where a registry answers, else one built on this machine.

The local one stands on a base image that debootstrap makes, so that no registry is needed at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import docker.errors
from docker.models.images import Image as DockerImage
from filelock import FileLock

from harness.brokers.base import Image
from harness.brokers.jars import gather_jars
from harness.commands import run, uncoloured
from harness.errors import CommandFailed, Unavailable
from harness.model import BrokerLine, Suite
from harness.paths import COMPOSE, cache

#: Where the base images are: one tag for each release of Debian.
_BASE = "iotyet/base"
#: How lines begin that the builder itself prints.
_OF_THE_BUILDER = ("Step ", "--->", "Removing intermediate container")
#: What debootstrap knows of each release. One that is newer than debootstrap itself is made as unstable is.
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
#: Seconds that pulling an official image may take.
_PULL_LIMIT = 300.0
#: debootstrap's own choice; the argument stands before the one for the script.
_DEFAULT_MIRROR = ""
#: Seconds that debootstrap may take.
_BASE_LIMIT = 900.0


def obtain(client: docker.DockerClient, line: BrokerLine, say: Callable[[str], None]) -> Image:
    """The image of `line`.

    Args:
        client: the Docker daemon.
        line: what is wanted; never another line instead.
        say: told about work that takes long.

    Raises:
        Unavailable: neither provider has it.
    """
    try:
        return _official(client, line, say)
    except Unavailable as no_registry:
        if line.suite is None:
            raise Unavailable(f"{line.id}: {no_registry.observed}, and there is no recipe to build it here") from None
        return _local(client, line, line.suite, say, note=no_registry.observed)


def _official(client: docker.DockerClient, line: BrokerLine, say: Callable[[str], None]) -> Image:
    try:
        image = client.images.get(line.image)
    except docker.errors.ImageNotFound:
        say(f"pulling {line.image}")
        image = _pull(client, line.image)
    digests = image.attrs.get("RepoDigests") or [image.id]
    return Image("docker, official image", line.image, str(digests[0]))


def _pull(client: docker.DockerClient, name: str) -> DockerImage:
    """Pull with a time limit, which docker-py's streaming calls do not have."""
    result: list[DockerImage | Exception] = []

    def work() -> None:
        try:
            result.append(client.images.pull(name))
        except Exception as error:  # whatever it is, it is the reason that the image is unavailable
            result.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PULL_LIMIT)
    if not result:
        raise Unavailable(f"{name} was not pulled within {_PULL_LIMIT:g} s")
    if isinstance(result[0], Exception):
        first_line = str(result[0]).strip().splitlines()[0] if str(result[0]).strip() else repr(result[0])
        raise Unavailable(f"{name} cannot be pulled ({_without_host(first_line)})")
    return result[0]


def _without_host(message: str) -> str:
    """The end of Docker's error chain, which says what is wrong; its beginning is addresses."""
    return message.rstrip('")').rsplit(": ", 1)[-1]


def tool(client: docker.DockerClient, name: str, suite: Suite, say: Callable[[str], None]) -> str:
    """The tag of an image with a program of Debian's, as compose/<name>/Dockerfile has it; made where it is not there.

    Raises:
        Unavailable: it cannot be built on this machine.
    """
    folder = COMPOSE / name
    tag = f"iotyet/{name}:{suite}-{_content_hash(folder)}"
    _built(client, tag, suite, "Dockerfile", lambda: contextlib.nullcontext(folder), f"building {name}", say)
    return tag


def _local(client: docker.DockerClient, line: BrokerLine, suite: Suite, say: Callable[[str], None], note: str) -> Image:
    folder = COMPOSE / line.broker
    tag = f"iotyet/{line.broker}:{line.line}-{suite}-{_content_hash(folder)}"
    what = f"{note}; building {line.id} on this machine instead"
    image = _built(client, tag, suite, line.recipe, lambda: _context(folder, line), what, say)
    return Image("docker, built here", tag, str(image.id), note)


def _built(
    client: docker.DockerClient,
    tag: str,
    suite: Suite,
    recipe: str,
    context: Callable[[], contextlib.AbstractContextManager[Path]],
    what: str,
    say: Callable[[str], None],
) -> DockerImage:
    """The image `tag`, from the cache or from the Dockerfile `recipe` of the folder that `context` opens."""
    with FileLock(_lock_file(f"image-{tag.replace('/', '-').replace(':', '-')}")):
        with contextlib.suppress(docker.errors.ImageNotFound):
            return client.images.get(tag)
        say(what)
        base = _ensure_base(client, suite, say)
        try:
            with context() as path:
                image, _ = client.images.build(
                    path=str(path),
                    dockerfile=recipe,
                    tag=tag,
                    buildargs={"BASE": base},
                    network_mode="host",
                    rm=True,
                    forcerm=True,
                )
        except docker.errors.BuildError as error:
            raise Unavailable(f"{tag} cannot be built on this machine: {_last_words(error)}") from error
        except docker.errors.APIError as error:
            raise Unavailable(f"{tag} cannot be built on this machine: {error}") from error
        return image


def _last_words(error: docker.errors.BuildError) -> str:
    """What the command that failed printed last, which says why; Docker itself only says which command it was."""
    printed = "".join(str(step.get("stream", "")) for step in error.build_log)
    lines = [line.strip() for line in uncoloured(printed).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_OF_THE_BUILDER)]
    # Several, because standard output and standard error come in any order.
    return f"{' · '.join(lines[-3:])} ({error})" if lines else str(error)


@contextlib.contextmanager
def _context(folder: Path, line: BrokerLine) -> Iterator[Path]:
    """The folder that the recipe builds from; where it needs jars a copy, with those of the image's version beside it.

    Raises:
        Unavailable: the jars cannot be had.
    """
    if not line.jars:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="iotyet-context-") as name:
        path = Path(name) / "context"
        shutil.copytree(folder, path)
        gather_jars(line, path, path / "jars")
        yield path


def _ensure_base(client: docker.DockerClient, suite: Suite, say: Callable[[str], None]) -> str:
    """The tag of a minimal image of this release of Debian, which is made where it is not there yet."""
    name = f"{_BASE}:{suite}"
    with FileLock(_lock_file(f"image-base-{suite}")):
        try:
            client.images.get(name)
            return name
        except docker.errors.ImageNotFound:
            pass
        if shutil.which("debootstrap") is None:
            raise Unavailable("no registry answers and debootstrap is not installed; `make setup` installs it")
        started = time.monotonic()
        say(f"making the base image of Debian {suite} with debootstrap (about a minute, once)")
        with tempfile.TemporaryDirectory(prefix="iotyet-base-") as folder:
            root, archive = Path(folder) / "root", Path(folder) / "root.tar"
            try:
                known = (_SCRIPTS / suite).exists()
                script = [] if known else [_DEFAULT_MIRROR, str(_SCRIPTS / "sid")]
                run(["debootstrap", "--variant=minbase", suite, str(root), *script], timeout=_BASE_LIMIT)
            except CommandFailed as error:
                raise Unavailable(f"the base image cannot be made: {error}") from error
            with tarfile.open(archive, "w") as tar:
                tar.add(root, arcname=".", filter=_importable)
            client.api.import_image(str(archive), repository=_BASE, tag=suite)
        say(f"base image made in {time.monotonic() - started:.0f} s")
        return name


def _importable(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out device nodes and downloaded packages: Docker makes the former, nobody needs the latter."""
    if member.isdev() or member.name.startswith("./var/cache/apt/archives/"):
        return None
    return member


def _content_hash(folder: Path) -> str:
    """Twelve hexadecimal digits that change with any file of the recipe."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in ("lines.toml", "compose.yaml", "tls.yaml"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _lock_file(name: str) -> Path:
    folder = cache() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"
