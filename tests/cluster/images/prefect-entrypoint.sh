#!/usr/bin/env bash
# Stands in for /opt/prefect/entrypoint.sh of prefecthq/prefect.
set -e
if [ -n "$EXTRA_PIP_PACKAGES" ]; then
  echo "EXTRA_PIP_PACKAGES=$EXTRA_PIP_PACKAGES: no package index is reachable from the test cluster" >&2
  # shellcheck disable=SC2086 # a list of packages, as in the original
  pip install $EXTRA_PIP_PACKAGES
fi
if [ -z "$*" ]; then exec bash --login; else exec "$@"; fi
