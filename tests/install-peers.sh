#!/usr/bin/env bash
# Programs that the differential tests and `make bench` compare with. Optional: what is missing is skipped with its reason.
set -eu
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
packages="strace busybox-static qemu-user binutils gawk xz-utils zstd file perl sqlite3 gdb musl-tools bc ed jq lz4 zip tcl patch xxd bsdextrautils openssl"
missing=$(dpkg-query -W -f '${Status} ${Package}\n' $packages 2>&1 | grep -v '^install ok' || true)
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $packages >/dev/null
