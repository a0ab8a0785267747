#!/bin/sh
# Create a virtual environment from a lock file.
#
# usage: install.sh LIST MARKER
#
# LIST is a file in the directory of this script. MARKER is a file in the environment that shows that the installation
# is complete. An environment without its marker is created again, so the next installation completes an interrupted
# one.
#
# The script runs as root, and only root can change the created files. It therefore executes no code of a package: it
# installs only wheels, each with a hash of the list, and a Python that does not import them compiles them.
set -eu
umask 022

list=$1
marker=$2
pinned=$(cd "$(dirname "$0")" && pwd)
venv=$(dirname "$marker")
uv_venv="$(dirname "$venv")/uv"
cd "$pinned" # uv and pip read settings of the current directory

# The installation of an interrupted playbook run continues. This one waits for it, and then has nothing to do. An
# account that can open a lock can hold it indefinitely, so only root can open it.
umask 077
mkdir -p "$pinned/locks"
chmod 0700 "$pinned/locks"
exec 9>"$pinned/locks/install"
chmod 0600 "$pinned/locks/install"
umask 022
flock 9
[ ! -e "$marker" ] || exit 0

if [ ! -e "$uv_venv/complete" ]; then
    /usr/bin/python3 -I -m venv --clear "$uv_venv"
    "$uv_venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
        -r "$pinned/uv.txt"
    touch "$uv_venv/complete"
fi

# The list contains every dependency of every package, so no dependency has to be resolved.
export UV_PYTHON_DOWNLOADS=never
# Use the CA certificates of the host, as pip does, for example that of a company.
export UV_SYSTEM_CERTS=true
"$uv_venv/bin/uv" venv --quiet --clear --python /usr/bin/python3 "$venv"
VIRTUAL_ENV="$venv" "$uv_venv/bin/uv" pip install --quiet --no-deps --require-hashes --only-binary :all: -r "$pinned/$list"
rm -f "$venv/.lock" # uv leaves this file, to which every account can write
# The accounts that run the programs cannot write to the environment, and would compile at every start. uv can also
# compile, but starts the Python of the environment, which executes the .pth files of the packages. A file for another
# version of Python does not compile, and is never imported.
find "$venv/lib" -name '*.py' -print0 | xargs -0 -n 500 -P "$(nproc)" /usr/bin/python3 -I -S -c '
import py_compile, sys
for path in sys.argv[1:]:
    py_compile.compile(path, quiet=2)'
if [ -e "$venv/bin/prefect" ]; then
    /usr/bin/python3 -I "$pinned/schema_revisions.py" "$venv" >"$venv/schema-revisions.json"
fi
# uv leaves a file to which every account can write.
rm -f "$venv/.lock"
touch "$marker"
