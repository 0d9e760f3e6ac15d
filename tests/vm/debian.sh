#!/bin/sh
# Gets the system that `make test-system` installs Ringhold on: Debian with
# systemd as its first process, the libraries our programs need and the tools
# that make an initramfs, as one archive. Takes two minutes once; quiet when it
# is there already, with these packages.
#   debian.sh FILE
set -eu
file=${1:?debian.sh FILE}
packages="systemd,systemd-sysv,systemd-boot,udev,kmod,dbus,initramfs-tools-core,\
libuv1,libssl3,libcurl4,libsqlite3-0,zlib1g,libpcre2-8-0,libseccomp2,libinih1,libyara9,libp11-kit0,libyaml-0-2,libzstd1"
[ -f "$file" ] && [ "$(cat "$file.packages" 2>/dev/null)" = "$packages" ] && exit 0
[ "$(id -u)" = 0 ] || { echo "vm: making $file needs root" >&2; exit 1; }
mkdir -p "$(dirname "$file")"
echo "vm: making $file"
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$file.new.tar"
mv "$file.new.tar" "$file"
echo "$packages" >"$file.packages"
