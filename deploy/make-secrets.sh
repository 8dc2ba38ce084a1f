#!/bin/sh
# Makes every secret file that docker-compose.yml names. Safe to run again: a file that is there stays as it is.
set -eu
umask 022
cd "$(dirname "$0")"
mkdir -p secrets
# The folder keeps other users of this machine out. The files themselves have to be readable: each container mounts only
# the files that it needs, runs as a user of its own, and a mounted file keeps the owner and mode that it has here.
chmod 0700 secrets

keep() {
    [ -e "secrets/$1" ] || printf '%s' "$2" >"secrets/$1"
    chmod 0644 "secrets/$1"
}

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

keep postgres_password "$(random)"
keep temporal_db_password "$(random)"
keep ledger_db_password "$(random)"
keep ledger_url "postgresql+psycopg://ledger:$(cat secrets/ledger_db_password)@postgres:5432/ledger"

# Yours to fill in. An empty key file means: this provider is not used.
keep anthropic_api_key ""
keep openai_api_key ""
keep git_ssh_key ""
keep git_known_hosts ""
