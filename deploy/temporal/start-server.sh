#!/bin/sh
# The server reads its database password only from this variable. Set here, it is in the server's own process and neither
# in the compose file nor in what `docker inspect` shows.
set -eu
POSTGRES_PWD="$(cat /run/secrets/temporal_db_password)"
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
