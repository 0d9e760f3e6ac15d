#!/bin/sh
# Makes the disk of a virtual machine: what a host holds, our programs with the
# libraries they need, busybox, and guest.sh as its first process.
#   image.sh ROOT BIN DISK         EXTRA="FILE..." goes to /usr/lib
set -eu
root=${1:?ROOT} bin=${2:?BIN} disk=${3:?DISK}
here=$(cd "$(dirname "$0")" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

cp -a "$root/." "$stage/"
rm -rf "$stage/run" "$stage/proc"
mkdir -p "$stage/bin" "$stage/sbin" "$stage/usr/sbin" "$stage/proc" "$stage/sys" "$stage/dev" "$stage/run" "$stage/tmp" "$stage/etc"
cp /bin/busybox "$stage/bin/busybox"
for applet in $(/bin/busybox --list | grep -v '^busybox$'); do ln -s busybox "$stage/bin/$applet"; done
install -m 0755 "$here/guest.sh" "$stage/sbin/init"
# The agent loads this one when it first fetches.
curl=$(/sbin/ldconfig -p | sed -n 's|.*libcurl\.so\.4 .*=> ||p' | head -n 1)
printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$stage/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$stage/etc/group"
for program in ringhold-bootguard ringhold-sensor ringhold-agent; do
  install -m 0755 -s "$bin/$program" "$stage/usr/sbin/$program"
  { ldd "$bin/$program" "$curl" | grep -o '^[[:blank:]].*' | grep -o '/[^ ]*'; echo "$curl"; } | while read -r library; do
    [ -e "$stage$library" ] || { mkdir -p "$stage$(dirname "$library")" && cp -L "$library" "$stage$library"; }
  done
done
mkdir -p "$stage/usr/lib"
for file in ${EXTRA:-}; do cp "$file" "$stage/usr/lib/"; done
rm -f "$disk"
megabytes=192
# A mirror for the machine to update from: its archives come to lie in incoming/ and in a slot as well.
[ ! -d "$stage/mirror" ] || megabytes=$((megabytes + 3 * $(du -sm "$stage/mirror" | cut -f1)))
truncate -s "${megabytes}M" "$disk"
mke2fs -q -t ext4 -d "$stage" "$disk"
