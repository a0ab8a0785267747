#!/bin/sh
# Send one query to PostgreSQL through the PgBouncer of this pod, as the server does.
# usage: ask.sh USERLIST USER USER_AS_IN_THE_LIST PORT DATABASE
# The password does not leave the pod: the script reads it from the list, and psql reads it from its environment.
set -eu
# An image without psql skips this check.
command -v psql >/dev/null || exit 0
entry=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$3 "*) entry=${line#"$3 "} ;; esac
done <"$1"
entry=${entry#\"}
# The list contains each quote of the password twice.
PGPASSWORD=$(printf '%s' "${entry%\"}" | sed 's/""/"/g')
export PGPASSWORD PGHOST=127.0.0.1 PGPORT="$4" PGUSER="$2" PGDATABASE="$5" PGCONNECT_TIMEOUT=5
exec psql --no-psqlrc --no-password --quiet --output=/dev/null --command='SELECT 1'
