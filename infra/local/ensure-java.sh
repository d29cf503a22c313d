#!/bin/sh
# Spark 4 needs Java 17 or newer. Installs it where the system's package manager can do so unattended.
set -eu

major() {
    "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

found=""
if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then
    found=$(major "$JAVA_HOME/bin/java")
elif command -v java >/dev/null 2>&1; then
    found=$(major java)
fi
if [ "${found:-0}" -ge 17 ] 2>/dev/null; then
    exit 0
fi

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root="no"
fi

if [ "$as_root" != "no" ] && [ -z "${JAVA_HOME:-}" ]; then
    echo "Java 17 is missing; installing it with the system's package manager" >&2
    if command -v apt-get >/dev/null 2>&1; then
        $as_root apt-get update -q >&2 && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q openjdk-17-jre-headless >&2
    elif command -v dnf >/dev/null 2>&1; then
        $as_root dnf install -y -q java-17-openjdk-headless >&2
    fi
fi
if command -v brew >/dev/null 2>&1 && [ -z "${JAVA_HOME:-}" ] && ! command -v java >/dev/null 2>&1; then
    brew install --quiet openjdk@17 >&2
fi
if command -v java >/dev/null 2>&1 && [ "$(major java)" -ge 17 ] 2>/dev/null; then
    exit 0
fi
echo "Java 17 or newer is needed by Spark and was not found (JAVA_HOME=${JAVA_HOME:-not set}); install it, for instance with: apt-get install openjdk-17-jre-headless" >&2
exit 1
