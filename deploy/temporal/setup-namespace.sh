#!/bin/sh
# Makes Baton's namespace and its search attributes. Safe to run again: it corrects the retention and adds what is missing.
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where; the `temporal` program reads both.
set -eu

# By number: a name would also be asked for in DNS as a service, which a network without a way out answers late or never.
host="${TEMPORAL_ADDRESS%:*}"
number="$(getent ahosts "$host" | awk '/STREAM/ && $1 ~ /^[0-9.]+$/ { print $1; exit }')"
export TEMPORAL_ADDRESS="${number:-$host}:${TEMPORAL_ADDRESS##*:}"

# The server needs seconds until every part of it knows a new namespace.
patiently() {
    tries=30
    until "$@"; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            echo "gave up: $*" >&2
            exit 1
        fi
        sleep 2
    done
}

patiently temporal operator cluster health
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h
patiently temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention 720h
patiently temporal operator search-attribute create \
    --name Project --type Keyword \
    --name Owner --type Keyword \
    --name Stage --type Keyword \
    --name State --type Keyword \
    --name Gate --type Keyword \
    --name Outcome --type Keyword \
    --name NeedsHuman --type Bool \
    --name GateDeadline --type Datetime \
    --name CostUsd --type Double
