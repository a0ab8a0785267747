#!/bin/sh
# Give the role of this container's environment the password that stands there: the image does so only when it makes the
# database. Runs when the container starts, and always succeeds: with the old password, PostgreSQL still serves.
# usage: set_password.sh PORT [LOG]
# The password leaves neither the container nor psql, which sends what PostgreSQL stores: no log can have it.
export PGHOST="${PGHOST:-/var/run/postgresql}" PGPORT="$1" PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD"
export PGDATABASE=postgres PGCONNECT_TIMEOUT=5
waited=0 refused=0 said=
# It recovers for as long as it takes; and while a new database is made, one answers that goes again.
while [ "$waited" -lt 600 ] && [ "$refused" -lt 10 ]; do
    if ! pg_isready --quiet; then
        waited=$((waited + 1))
    # Asked for it twice, and without a terminal, psql reads it from here.
    elif said=$(printf '%s\n%s\n' "$POSTGRES_PASSWORD" "$POSTGRES_PASSWORD" |
        psql --no-psqlrc --no-password --quiet --command='\password' 2>&1); then
        exit 0
    else
        refused=$((refused + 1))
    fi
    sleep 1
done
# To the log of the container, which does not have the output of what runs beside its program.
echo "prefect_database_password: the role $POSTGRES_USER keeps the password that it has: ${said:-no answer}" >"${2:-/proc/1/fd/2}"
exit 0
