#!/bin/sh
# Set the password of the role to the one in the environment of this container. The image sets it only when it creates
# the database. Runs when the container starts, and always succeeds, because PostgreSQL also works with the old password.
# usage: set_password.sh PORT [LOG]
# The password does not leave psql, which sends only the hash that PostgreSQL stores: no log can contain it.
export PGHOST="${PGHOST:-/var/run/postgresql}" PGPORT="$1" PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD"
export PGDATABASE=postgres PGCONNECT_TIMEOUT=5
waited=0 refused=0 said=
# Recovery after a crash can take a long time. While the image creates a new database, a temporary PostgreSQL answers.
while [ "$waited" -lt 600 ] && [ "$refused" -lt 10 ]; do
    if ! pg_isready --quiet; then
        waited=$((waited + 1))
    # Without a terminal, psql reads the password and its repetition from the standard input.
    elif said=$(printf '%s\n%s\n' "$POSTGRES_PASSWORD" "$POSTGRES_PASSWORD" |
        psql --no-psqlrc --no-password --quiet --command='\password' 2>&1); then
        exit 0
    else
        refused=$((refused + 1))
    fi
    sleep 1
done
# Written to the log of the container, which does not contain the output of a postStart hook.
echo "prefect_database_password: the password of the role $POSTGRES_USER was not changed: ${said:-no answer}" >"${2:-/proc/1/fd/2}"
exit 0
