#!/bin/sh
# Install Debian packages, and wait while another process holds one of apt's locks, such as the automatic upgrade of a
# new host.
#
# usage: scripts/apt-install.sh PACKAGE...     as root; waits up to $APT_WAIT_SECONDS seconds (default 600)
set -eu

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
deadline=$(($(date +%s) + ${APT_WAIT_SECONDS:-600}))
told=

# DPkg::Lock::Timeout waits only for the locks of dpkg, and not for the locks of the package lists and downloads.
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
