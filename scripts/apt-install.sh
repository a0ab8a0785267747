#!/bin/sh
# Install Debian packages, and wait while another process holds one of apt's locks: on a new machine, its own upgrade.
#
# usage: scripts/apt-install.sh PACKAGE...     as root; waits for $APT_WAIT_SECONDS at most, or 10 minutes
set -eu

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
deadline=$(($(date +%s) + ${APT_WAIT_SECONDS:-600}))
told=

# DPkg::Lock::Timeout would wait for dpkg's locks only, not for those of the package lists and of the downloads.
patiently() {
    while ! said=$("$@" 2>&1); do
        if ! locked "$said" || [ "$(date +%s)" -ge "$deadline" ]; then
            printf '%s\n' "$said" >&2
            exit 1
        fi
        [ -n "$told" ] || echo "apt-install: waiting for another installation to end" >&2
        told=yes
        sleep 1
    done
}

locked() {
    case $1 in *"Could not get lock"* | *"Unable to lock"*) ;; *) return 1 ;; esac
}

patiently apt-get -qq update
patiently apt-get -qq -y install --no-install-recommends "$@"
