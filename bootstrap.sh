#!/bin/sh
# Makes .venv with the locked packages, by uv. A second call finds nothing to do.
set -eu
cd "$(dirname "$0")"

started=$(date +%s)
say() { printf 'iotyet: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is missing; on Debian and Ubuntu: sudo apt-get install python3 python3-venv"

stamp=.venv/.locked
wanted=$("$python" --version; cat requirements.lock pyproject.toml | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

if [ ! -x .venv/bin/python ]; then
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        # Debian packs venv apart from Python.
        rm -rf .venv
        packages="python3-venv"
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 ||
            fail "Python's venv module is missing; run: sudo apt-get install $packages"
        if [ -t 0 ] && [ -z "${CI:-}" ]; then
            printf 'Run `apt-get install %s`? [Y/n] ' "$packages" >&2
            read -r answer
            case "$answer" in ""|y|Y|yes) ;; *) fail "nothing was installed; run: apt-get install $packages" ;; esac
        fi
        apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -q --yes "$packages" >&2
        "$python" -m venv .venv
    fi
fi

uv=$(command -v uv || true)
[ -n "$uv" ] || [ ! -x .venv/tools/uv ] || uv=.venv/tools/uv
if [ -z "$uv" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==0.13.9" ||
        fail "uv could not be installed from PyPI; check the network, or install uv by hand (https://docs.astral.sh/uv/)"
    # In a folder of its own, because a sync of .venv would remove it again.
    mkdir -p .venv/tools && cp .venv/bin/uv .venv/tools/uv
    uv=.venv/tools/uv
fi
export VIRTUAL_ENV="$PWD/.venv"
"$uv" pip sync --quiet --require-hashes requirements.lock
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
printf '%s\n' "$wanted" > "$stamp"
say "Python environment ready (.venv): $(($(date +%s) - started)) s"
