#!/bin/sh
# Create .venv from a lock file, and add this checkout to the collections path.
#
# usage: scripts/bootstrap.sh control|test
#
# Needs python3. Needs root or sudo once for packages of the distribution if python3 cannot create virtual environments
# or is older than 3.11. Another run takes only a few milliseconds.
set -eu

lock_name=${1:?usage: scripts/bootstrap.sh control|test}
root=$(cd "$(dirname "$0")/.." && pwd)
lock="$root/requirements/$lock_name.txt"
link="$root/.collections/ansible_collections/selfhosted/prefect"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/selfhosted-prefect"
export UV_SYSTEM_CERTS=true # use the CA certificates of the host, as pip does

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "bootstrap: root or sudo is needed once for: $*" >&2
        exit 1
    fi
}

# A python that is new enough for ansible-core and has the venv module with pip inside.
usable_python() {
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_python() {
    if ! command -v apt-get >/dev/null; then
        echo "bootstrap: Python 3.11 or newer with its venv module is needed. Install both, and run the command again." >&2
        exit 1
    fi
    if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        packages=python3-venv
    else
        packages="python3.11 python3.11-venv" # Ubuntu 22.04 ships 3.10 as python3
    fi
    echo "bootstrap: installing $packages"
    # shellcheck disable=SC2086 # a list of package names
    as_root "$root/scripts/apt-install.sh" $packages ca-certificates
}

# uv creates the environment in seconds. Its version is locked, too.
install_uv() {
    uv_home="$cache/uv-$(cksum <"$root/requirements/uv.txt" | cut -d' ' -f1)"
    uv="$uv_home/bin/uv"
    if ! "$uv" --version >/dev/null 2>&1; then
        rm -rf "$uv_home"
        "$python" -m venv "$uv_home"
        "$uv_home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r "$root/requirements/uv.txt"
    fi
}

# The stamp of an environment contains its lock file and its directory.
stamp() {
    echo "$1 $(cksum <"$root/requirements/$1.txt" | cut -d' ' -f1) $root"
}

# An environment for `make test` contains everything that `make site` needs.
up_to_date() {
    have=$(cat "$root/.venv/.lock-stamp" 2>/dev/null || true)
    [ -x "$root/.venv/bin/python" ] || have=
    [ -e "$link" ] && { [ "$have" = "$(stamp "$lock_name")" ] || [ "$have" = "$(stamp test)" ]; }
}

if ! up_to_date; then
    mkdir -p "$cache"
    # One at a time. After the wait, the environment may already exist.
    exec 9>"$cache/bootstrap.lock"
    if command -v flock >/dev/null; then flock 9; fi
    if ! up_to_date; then
        python=$(usable_python) || {
            install_python
            python=$(usable_python)
        }
        install_uv
        mkdir -p "$(dirname "$link")"
        ln -sfn ../../.. "$link"
        case "$have" in *" $root") ;; *) "$uv" venv --quiet --clear --python "$python" "$root/.venv" ;; esac
        rm -f "$root/.venv/.lock-stamp"
        echo "bootstrap: .venv from requirements/$lock_name.txt"
        VIRTUAL_ENV="$root/.venv" "$uv" pip sync --quiet --require-hashes "$lock"
        stamp "$lock_name" >"$root/.venv/.lock-stamp"
    fi
    exec 9>&-
fi
