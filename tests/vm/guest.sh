#!/bin/busybox sh
# First process of the virtual machine: a boot as a host has it, in short.
# Lines that begin with "vm: " are read by the test. The kernel's command line
# says what differs: rh.guard=off|early, rh.fault=sysrq|module, rh.preload=FILE,
# rh.defect=RULE, rh.pstore=ADDRESS, rh.occupy=MEGABYTES.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tmpfs tmpfs /tmp
dmesg -n 1

option() { sed -n "s/.*rh\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
[ "$(option guard)" = early ] || mount -t tmpfs tmpfs /run

boots=$(cat /boots 2>/dev/null || echo 0)
boots=$((boots + 1))
echo $boots >/boots
sync
echo "vm: boot $boots"
echo "vm: year $(date +%Y)"
if [ $boots -gt "$(option most)" ]; then
  echo "vm: too many boots"
  poweroff -f
fi

panic_now() {
  echo "vm: panic"
  case "$(option fault)" in
  module) insmod /usr/lib/fault.ko ;;
  *) echo c >/proc/sysrq-trigger ;;
  esac
  echo "vm: survived its own panic"
  poweroff -f
}

# What a kernel leaves behind for the next one, in memory that outlives a reset.
if [ -n "$(option pstore)" ]; then
  insmod /usr/lib/reed_solomon.ko
  insmod /usr/lib/ramoops.ko mem_address="$(option pstore)" mem_size=0x100000 record_size=0x20000
  mount -t pstore pstore /sys/fs/pstore
  ls /sys/fs/pstore | sed 's/^/vm: pstore /'
fi

case "$(option guard)" in
off) mkdir -p /run/ringhold/edr; ln -s "$(cat /guard-removed)" /run/ringhold/edr/current ;;
early) ;; # it ran before the disk was the root
*) LD_PRELOAD=$(option preload) ringhold-bootguard ;;
esac
echo "vm: content $(basename "$(readlink /run/ringhold/edr/current 2>/dev/null || echo none)")"

# The sensor comes early and takes the machine with it when it dies.
(
  RINGHOLD_SENSOR_DEFECT=$(option defect) ringhold-sensor --channel edr --at-boot </dev/null
  echo $? >/tmp/sensor-died
) &
turns=0
until grep -qw healthy /run/ringhold/edr/sensor 2>/dev/null; do
  [ -e /tmp/sensor-died ] && panic_now
  turns=$((turns + 1))
  [ $turns -gt 3000 ] && { echo "vm: no word from the sensor"; poweroff -f; }
  usleep 20000
done
[ -e /tmp/sensor-died ] && panic_now
echo "vm: healthy"

# Memory that somebody else needs, and the proof that what is left does not hold a hundred megabytes.
if [ -n "$(option occupy)" ]; then
  mkdir -p /tmp/occupied
  mount -t tmpfs -o size=100% tmpfs /tmp/occupied
  head -c "$(option occupy)m" /dev/zero >/tmp/occupied/all
  echo "vm: memory $(grep -E '^Mem(Total|Available)' /proc/meminfo | tr -s ' \n' ' ')"
  head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null || echo "vm: who holds 100 MB is killed"
fi

ringhold-agent run --once 2>&1 >/dev/null | sed 's/^/agent: /'
echo "vm: now $(basename "$(readlink /run/ringhold/edr/current)")"
ringhold-agent history | sed 's/^/vm: history /'
sync
poweroff -f
