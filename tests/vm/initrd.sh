#!/bin/sh
# Makes an initramfs: busybox, and the boot guard, which runs before the disk is
# the root. guest.sh is told by rh.guard=early that this happened.
#   initrd.sh BIN FILE
set -eu
bin=${1:?BIN} file=${2:?FILE}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

mkdir -p "$stage/bin" "$stage/proc" "$stage/dev" "$stage/sysroot"
cp /bin/busybox "$stage/bin/"
install -m 0755 -s "$bin/ringhold-bootguard" "$stage/bin/"
ldd "$bin/ringhold-bootguard" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$stage$(dirname "$library")" && cp -L "$library" "$stage$library"
done
cat >"$stage/init" <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs devtmpfs /dev
until $b mount -t ext4 /dev/nvme0n1 /sysroot 2>/dev/null; do $b usleep 10000; done
$b mount -t tmpfs tmpfs /sysroot/run
ringhold-bootguard --root /sysroot | $b sed 's/^/vm: early guard /'
$b umount /proc
exec $b switch_root /sysroot /sbin/init
END
chmod 0755 "$stage/init"
(cd "$stage" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$file"
