#!/bin/sh
# install.sh BIN_DIR [DESTDIR]: programs, units and the directories they expect. Idempotent.
# Configuration that exists is never touched.
set -eu
bin=${1:?the directory of the built programs}
dest=${2:-}
here=$(dirname "$0")

install -d "$dest/usr/bin" "$dest/usr/sbin" "$dest/lib/systemd/system" \
  "$dest/etc/ringhold/trust" "$dest/etc/ringhold/health.d/required.d" \
  "$dest/etc/ringhold/health.d/wanted.d" "$dest/etc/ringhold/benign.d"
# The agent's processes pass through to what is theirs; what is secret in it has a mode of its own.
install -d -m 0711 "$dest/var/lib/ringhold"
[ -e "$dest/var/lib/ringhold/agent.db" ] || install -m 0600 /dev/null "$dest/var/lib/ringhold/agent.db"
chmod 0600 "$dest/var/lib/ringhold/agent.db"
install -d -m 0755 "$dest/var/lib/ringhold/channels"
# Filled with the directory promoter/ that `ringhold init` makes; owned by its own user, ringhold-promoter.
install -d -m 0700 "$dest/etc/ringhold-promoter"
install -m 0755 "$bin/ringhold" "$dest/usr/bin/"
for program in ringholdd ringhold-agent ringhold-bootguard ringhold-sensor; do
  install -m 0755 "$bin/$program" "$dest/usr/sbin/"
done
# Check commands for content that only an engine of others can judge (docs/loaders.md).
install -d "$dest/usr/lib/ringhold/loaders" "$dest/etc/ringhold/loaders" "$dest/usr/share/ringhold/benign.d"
install -m 0755 "$here"/loaders/* "$dest/usr/lib/ringhold/loaders/"
install -m 0644 "$here"/systemd/*.service "$dest/lib/systemd/system/"
install -d "$dest/usr/share/doc/ringhold"
install -m 0644 "$here"/../docs/boot-guard.md "$dest/usr/share/doc/ringhold/"
# Copied to /etc by whoever wants the machine to reset when it stands still (docs/boot-guard.md).
install -d "$dest/usr/share/ringhold/watchdog"
install -m 0644 "$here"/watchdog/*.conf "$dest/usr/share/ringhold/watchdog/"
# The guard in the initramfs, for those who want it there (docs/boot-guard.md).
install -d "$dest/usr/share/ringhold/initramfs"
install -m 0755 "$here"/initramfs/hook "$here"/initramfs/local-bottom "$dest/usr/share/ringhold/initramfs/"
# Without these users the processes stay root, held by Landlock and seccomp alone, and `ringhold-agent doctor` says so.
install -d "$dest/usr/lib/sysusers.d"
install -m 0644 "$here"/sysusers.d/ringhold.conf "$dest/usr/lib/sysusers.d/"
if [ -z "$dest" ] && command -v systemd-sysusers >/dev/null; then
  systemd-sysusers ringhold.conf
fi
# What is copied there belongs to the promoter's user as well: its keys are refused otherwise (docs/keys.md).
if [ -z "$dest" ] && id ringhold-promoter >/dev/null 2>&1; then
  chown -R ringhold-promoter:ringhold-promoter /etc/ringhold-promoter
fi
# For whoever watches it (docs/observe.md).
install -d "$dest/usr/share/ringhold/prometheus" "$dest/usr/share/ringhold/grafana"
install -m 0644 "$here"/prometheus/prometheus.yml "$here"/prometheus/ringhold.rules.yml "$dest/usr/share/ringhold/prometheus/"
install -m 0644 "$here"/grafana/ringhold.json "$dest/usr/share/ringhold/grafana/"
# For editors and validators: the JSON Schemas of every document (docs/schemas.md).
install -d "$dest/usr/share/ringhold/schema"
install -m 0644 "$here"/../schema/*.schema.json "$dest/usr/share/ringhold/schema/"
# For those who build a sensor: one header, one library, no dependency beyond libc (docs/integrate.md).
install -d "$dest/usr/include" "$dest/usr/lib/pkgconfig"
install -m 0644 "$here/../boot/ringhold-sensor.h" "$dest/usr/include/"
install -m 0644 "$bin/../lib/libringhold-sensor.a" "$dest/usr/lib/"
version=$(sed -n 's/^#define RINGHOLD_VERSION "\(.*\)"$/\1/p' "$here/../base/cli.h")
sed "s/@VERSION@/$version/" "$here/ringhold-sensor.pc.in" >"$dest/usr/lib/pkgconfig/ringhold-sensor.pc"
chmod 0644 "$dest/usr/lib/pkgconfig/ringhold-sensor.pc"
# What a sensor's package calls when its contract changed (docs/agent.md).
install -d "$dest/usr/share/ringhold/hooks"
install -m 0644 "$here"/hooks/sensor-upgrade.sh "$here"/hooks/ringhold.triggers "$dest/usr/share/ringhold/hooks/"
# A transfer-hook to be copied below /etc by whoever wants it (docs/transfer.md).
install -m 0755 "$here"/hooks/line-is-free "$dest/usr/share/ringhold/hooks/"
