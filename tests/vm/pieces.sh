#!/bin/sh
# Gets the kernel that the VM tests boot: Debian's cloud kernel, unpacked below
# DIR, never installed. Quiet when it is there already.
#   pieces.sh DIR
set -eu
dir=${1:?pieces.sh DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ -f "$dir/vmlinuz" ] && [ -d "$dir/modules" ] && exit 0

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
echo "vm: fetching $package"
work=$(mktemp -d "$dir/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -qq "$package" 2>/dev/null && dpkg-deb -x ./*.deb x)
rm -rf "$dir/modules" && mkdir "$dir/modules"
find "$work/x/lib/modules" \( -name softdog.ko -o -name ramoops.ko -o -name reed_solomon.ko \) -exec cp {} "$dir/modules/" \;
mv "$work"/x/boot/vmlinuz-* "$dir/vmlinuz.new"
mv "$dir/vmlinuz.new" "$dir/vmlinuz"
