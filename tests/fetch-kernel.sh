#!/usr/bin/env bash
# The kernel that the boot tests run: what Debian's linux-image-cloud-amd64 depends on, downloaded and unpacked into
# .cache/linux/, never installed. Optional: without it those tests are skipped with their reason.
set -eu
cd "$(dirname "$0")/.."
cache=.cache/linux
[ ! -e "$cache/vmlinuz" ] || exit 0
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || exit 0
real_package() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: *//p' | head -n 1; }
package=$(real_package)
if [ -z "$package" ]; then
    apt-get update -qq
    package=$(real_package)
fi
[ -n "$package" ] || { echo "no linux-image-cloud-amd64 in apt's lists" >&2; exit 1; }
rm -rf "$cache"
mkdir -p "$cache/download"
(cd "$cache/download" && apt-get download -qq "$package" 2>/dev/null)
dpkg-deb --fsys-tarfile "$cache"/download/*.deb | tar -x -C "$cache" ./boot
rm -r "$cache/download"
# Last, and at once: a run that was cut short starts anew.
ln -s "$(cd "$cache" && ls boot/vmlinuz-*)" "$cache/vmlinuz"
