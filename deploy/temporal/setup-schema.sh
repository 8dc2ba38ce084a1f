#!/bin/sh
# Brings Temporal's two databases to the schema of this image's version. Safe to run again, and after a new image is set.
set -eu
# The tool reads no file. On its command line the password would be easier to see than in this variable.
SQL_PASSWORD="$(cat /run/secrets/temporal_db_password)"
export SQL_PASSWORD

tool() {
    database="$1"
    shift
    temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db "$database" "$@"
}

schema=/etc/temporal/schema/postgresql/v12
tool temporal setup-schema -v 0.0
tool temporal update-schema -d "$schema/temporal/versioned"
tool temporal_visibility setup-schema -v 0.0
tool temporal_visibility update-schema -d "$schema/visibility/versioned"
