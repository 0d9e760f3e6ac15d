#!/bin/sh
# Makes the disk that a machine with EFI boots from: systemd-boot, the kernel,
# and one entry that may fail to boot three times.
#   esp.sh DISK OPTIONS
set -eu
disk=${1:?DISK} options=${2:?OPTIONS}
pieces=$(cd "$(dirname "$0")/../.." && pwd)/build/vm
stage=$(mktemp -d "$(dirname "$disk")/esp.XXXXXX")
trap 'rm -rf "$stage"' EXIT
partition=$disk@@1M

tar -C "$stage" -xf "$pieces/debian.tar" ./usr/lib/systemd/boot/efi/systemd-bootx64.efi
printf 'timeout 0\n' >"$stage/loader.conf"
printf 'title Debian\nlinux /vmlinuz\noptions %s\n' "$options" >"$stage/debian+3.conf"
rm -f "$disk"
truncate -s 48M "$disk"
printf 'label: gpt\nstart=1MiB, type=U\n' | sfdisk -q "$disk"
mformat -i "$partition" -T 94208 -h 64 -s 32 -F -c 1 ::
mmd -i "$partition" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i "$partition" "$stage/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$partition" "$pieces/vmlinuz" ::/vmlinuz
mcopy -i "$partition" "$stage/loader.conf" ::/loader/loader.conf
mcopy -i "$partition" "$stage/debian+3.conf" ::/loader/entries/debian+3.conf
