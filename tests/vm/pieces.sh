#!/bin/sh
# Gets what the VM tests boot: Debian's cloud kernel, some of its modules, and a
# module of ours that faults, built with that kernel's headers. Everything is
# unpacked below DIR, nothing is installed. Quiet when it is there already.
# DIR/release names the kernel, DIR/config says what it can do.
#   pieces.sh DIR
set -eu
dir=${1:?pieces.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# A watchdog, pstore in memory, a network card, and what an EFI system partition is read with.
modules="watchdog softdog ramoops reed_solomon failover net_failover virtio virtio_ring virtio_pci virtio_pci_legacy_dev
  virtio_pci_modern_dev virtio_net efivarfs fat vfat nls_ascii nls_cp437 nls_utf8"

all_here() {
  [ -f "$dir/vmlinuz" ] && [ -f "$dir/release" ] && [ -f "$dir/config" ] && [ "$(cat "$dir/modules/wanted" 2>/dev/null)" = "$modules" ] &&
    [ -f "$dir/modules/fault.ko" ] && [ -z "$(find "$here/module" -newer "$dir/modules/fault.ko")" ]
}
all_here && exit 0

kernel_package() {
  apt-cache depends --important linux-image-cloud-amd64 2>/dev/null |
    sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
}
package=$(kernel_package)
if [ -z "$package" ] && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  package=$(kernel_package)
fi
[ -n "$package" ] || { echo "vm: no linux-image-cloud-amd64 in the package lists; apt-get update?" >&2; exit 1; }
work=$(mktemp -d "$dir/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# unpack NAME PACKAGE...: into $work/NAME
unpack() {
  into=$work/$1; shift
  mkdir "$into"
  (cd "$into" && apt-get download -qq "$@" 2>/dev/null && for p in ./*.deb; do dpkg-deb -x "$p" .; done && rm ./*.deb)
}

# The headers name each other by absolute paths: here they are told ours.
build_fault() {
  release=${package#linux-image-}
  kbuild=linux-kbuild-${release%%.*}.$(echo "$release" | cut -d. -f2)
  unpack headers "linux-headers-$release" "linux-headers-${release%-cloud-amd64}-common" "$kbuild" || return 1
  tree=$work/headers/usr/src/linux-headers-$release
  sed -i "s|/usr/src/|$work/headers/usr/src/|" "$tree/Makefile"
  cp -r "$here/module" "$work/module"
  env -u MAKEFLAGS make -s -C "$tree" M="$work/module" modules >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
  strip --strip-debug "$work/module/fault.ko"
}

echo "vm: fetching $package and its headers"
unpack image "$package"
mkdir "$work/modules"
for module in $modules; do find "$work/image/lib/modules" -name "$module.ko" -exec cp {} "$work/modules/" \; ; done
build_fault && cp "$work/module/fault.ko" "$work/modules/" || echo "vm: the module that faults cannot be built; its story is left out" >&2
mkdir -p "$dir/modules"
mv "$work"/modules/*.ko "$dir/modules/"
echo "$modules" >"$dir/modules/wanted"
mv "$work"/image/boot/config-* "$dir/config"
mv "$work"/image/boot/vmlinuz-* "$dir/vmlinuz.new"
mv "$dir/vmlinuz.new" "$dir/vmlinuz"
echo "${package#linux-image-}" >"$dir/release"
