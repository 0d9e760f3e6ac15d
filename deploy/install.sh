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
install -d -m 0700 "$dest/var/lib/ringhold"
install -d -m 0755 "$dest/var/lib/ringhold/channels"
# Filled with the directory promoter/ that `ringhold init` makes; owned by its own user, ringhold-promoter.
install -d -m 0700 "$dest/etc/ringhold-promoter"
install -m 0755 "$bin/ringhold" "$dest/usr/bin/"
for program in ringholdd ringhold-agent ringhold-bootguard ringhold-sensor; do
  install -m 0755 "$bin/$program" "$dest/usr/sbin/"
done
install -m 0644 "$here"/systemd/*.service "$dest/lib/systemd/system/"
# For editors and validators: the JSON Schemas of every document (docs/schemas.md).
install -d "$dest/usr/share/ringhold/schema"
install -m 0644 "$here"/../schema/*.schema.json "$dest/usr/share/ringhold/schema/"
