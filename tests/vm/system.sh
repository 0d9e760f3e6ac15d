#!/bin/sh
# Makes the disk of a whole system: Debian, Ringhold by `make install`, our units
# enabled as an administrator does it, what a host holds, and units of the test
# (tests/vm/system/) that tell on the serial line what happens. Beside it, as
# DISK.initrd, the initramfs that Debian's tools make of it with our hook.
#   system.sh ROOT BIN DISK
set -eu
root=${1:?ROOT} bin=${2:?BIN} disk=${3:?DISK}
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
pieces=$tree/build/vm
build=$(dirname "$bin")
stage=$(mktemp -d "$(dirname "$disk")/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT

tar -C "$stage" -xf "$pieces/debian.tar" --exclude='./dev/*'
make --no-print-directory -s -C "$tree" MODE="$(basename "$build")" B="$build" install DESTDIR="$stage" >/dev/null
chroot "$stage" systemd-sysusers 2>/dev/null
systemctl --root="$stage" --quiet enable ringhold-bootguard ringhold-sensor ringhold-agent
install -D -m 0644 "$stage"/usr/share/ringhold/watchdog/system.conf "$stage/etc/systemd/system.conf.d/ringhold-watchdog.conf"
install -D -m 0644 "$stage"/usr/share/ringhold/watchdog/modules-load.conf "$stage/etc/modules-load.d/ringhold-watchdog.conf"

# The host: its configuration, its enrolment.
cp -a "$root/etc/ringhold/." "$stage/etc/ringhold/"
[ ! -d "$root/var/lib/ringhold" ] || cp -a "$root/var/lib/ringhold/." "$stage/var/lib/ringhold/"

# The machine: its disk, its modules, its network card.
echo "/dev/nvme0n1 / ext4 defaults 0 0" >"$stage/etc/fstab"
mkdir "$stage/efi"
release=$(cat "$pieces/release")
mkdir -p "$stage/lib/modules/$release/kernel"
cp "$pieces"/modules/*.ko "$stage/lib/modules/$release/kernel/"
depmod -b "$stage" "$release" 2>/dev/null
install -D -m 0644 "$here/system/card.network" "$stage/etc/systemd/network/10-card.network"
systemctl --root="$stage" --quiet enable systemd-networkd systemd-boot-check-no-failures
systemctl --root="$stage" --quiet mask getty.target systemd-timesyncd apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service

# The guard in the initramfs, as docs/boot-guard.md says.
install -D -m 0755 "$stage/usr/share/ringhold/initramfs/hook" "$stage/etc/initramfs-tools/hooks/ringhold-bootguard"
install -D -m 0755 "$stage/usr/share/ringhold/initramfs/local-bottom" \
  "$stage/etc/initramfs-tools/scripts/local-bottom/ringhold-bootguard"
install -D -m 0644 "$pieces/config" "$stage/boot/config-$release"
echo MODULES=list >"$stage/etc/initramfs-tools/conf.d/modules"
mknod -m 0666 "$stage/dev/null" c 1 3
chroot "$stage" mkinitramfs -o /initrd "$release" 2>"$stage/log" || { cat "$stage/log" >&2; exit 1; }
mv "$stage/initrd" "$disk.initrd"

# The test: a sensor that goes before everything else, as a driver does, and units that tell.
install -D -m 0644 "$here/system/driver.conf" "$stage/etc/systemd/system/ringhold-sensor.service.d/driver.conf"
install -D -m 0644 "$here/system/sysctl.conf" "$stage/etc/sysctl.d/driver.conf"
for unit in vm-boot vm-content vm-story vm-complete; do
  install -m 0644 "$here/system/$unit.service" "$stage/etc/systemd/system/"
  systemctl --root="$stage" --quiet enable "$unit"
done
install -m 0755 "$here/system/tell" "$stage/usr/lib/vm-tell"
rm -f "$disk"
truncate -s 640M "$disk"
mke2fs -q -t ext4 -d "$stage" "$disk"
