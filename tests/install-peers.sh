#!/usr/bin/env bash
# Programs that the differential tests and `make bench` compare with. Optional: what is missing is skipped with its reason.
set -eu
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
packages="strace busybox-static qemu-user binutils gawk xz-utils zstd file perl sqlite3 gdb musl-tools bc ed jq lz4 zip tcl patch xxd bsdextrautils openssl chromium zsh fish linux-libc-dev manpages-dev groff-base
qemu-system-x86 seabios cpio libarchive-tools lzop"
missing=$(dpkg-query -W -f '${Status} ${Package}\n' $packages 2>&1 | grep -v '^install ok' || true)
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $packages >/dev/null
fi
"$(dirname "$0")/fetch-kernel.sh" || echo "no kernel: the tests that boot one are skipped"
