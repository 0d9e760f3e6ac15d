#!/bin/sh
# What must be true of the release build as a whole. Lines as cmocka prints them, for tests/run.sh.
cd "$(dirname "$0")/.." || exit 1
bin=build/release/bin
status=0

property() { # NAME, and a command that succeeds when it holds
  name=$1; shift
  if "$@" >/dev/null 2>&1; then
    echo "[       OK ] $name"
  else
    echo "[  FAILED  ] $name"; status=1
  fi
}

every_program_helps_and_has_a_version() {
  for program in ringhold ringholdd ringhold-agent ringhold-bootguard ringhold-sensor; do
    "$bin/$program" --help >/dev/null || return 1
    "$bin/$program" --version >/dev/null || return 1
  done
}

no_test_code_in_release() {
  ! strings -a "$bin"/* | grep -E 'RINGHOLD_TEST_|RINGHOLD_SENSOR_DEFECT|%s-bomb'
}

agent_links_no_signing_code() {
  ! nm "$bin/ringhold-agent" | grep -E ' (T|U) (seckey_|keyring_|author_|repo_|pkcs11_|p11_kit_|EVP_DigestSign)' &&
    ! objdump -p "$bin/ringhold-agent" | grep -q 'NEEDED *libp11-kit' &&
    objdump -p "$bin/ringhold" | grep -q 'NEEDED *libp11-kit' # so the line before can fail
}

# Thirty libraries come with it, into the memory of each of the agent's processes; only one of them fetches.
agent_loads_libcurl_when_it_fetches() {
  ! objdump -p "$bin/ringhold-agent" | grep -q 'NEEDED *libcurl' &&
    strings -a "$bin/ringhold-agent" | grep -q '^libcurl\.so\.4$'
}

bootguard_needs_only_libc() {
  [ "$(objdump -p "$bin/ringhold-bootguard" | grep -c NEEDED)" = 1 ] &&
    objdump -p "$bin/ringhold-bootguard" | grep -q 'NEEDED *libc.so.6'
}

bootguard_is_small() {
  strip -o build/bootguard-stripped "$bin/ringhold-bootguard" &&
    [ "$(wc -c <build/bootguard-stripped)" -lt 102400 ]
}

programs_are_hardened() {
  for program in "$bin"/*; do
    objdump -p "$program" | grep -q BIND_NOW || readelf -d "$program" | grep -q 'FLAGS.*NOW' || return 1
    readelf -h "$program" | grep -q 'Type:.*DYN' || return 1
  done
}

installs_into_a_destination() {
  dest=$(mktemp -d) && sh deploy/install.sh "$bin" "$dest" && sh deploy/install.sh "$bin" "$dest" &&
    [ -x "$dest/usr/sbin/ringhold-bootguard" ] && [ -x "$dest/usr/share/ringhold/initramfs/hook" ] &&
    [ -x "$dest/usr/share/ringhold/hooks/line-is-free" ] && rm -rf "$dest"
}

# Every unit as it is installed, beside the targets it names; a warning is a failure, a misspelled key is one.
unit_root() {
  unit_dest=build/release-units
  rm -rf "$unit_dest" && sh deploy/install.sh "$bin" "$PWD/$unit_dest" && cp -n /lib/systemd/system/*.target "$unit_dest/lib/systemd/system/"
}

verifies() { # UNIT...
  said=$(systemd-analyze verify --man=no --root="$PWD/$unit_dest" "$@" 2>&1) && [ -z "$said" ]
}

units_verify_without_a_word() {
  unit_root || return 1
  units=$(cd deploy/systemd && ls ./*.service | sed 's|^\./||')
  # shellcheck disable=SC2086 # names of ours hold no blanks
  verifies $units || return 1
  sed -i 's/^NoNewPrivileges/NoNewPrivilegs/' "$unit_dest/lib/systemd/system/ringhold-sensor.service"
  ! verifies ringhold-sensor.service # so the line before can fail
}

# As systemd-analyze scores them, times ten: the agent keeps what its own processes give up by themselves.
units_are_no_more_exposed_than_they_need() {
  unit_root || return 1
  for allowed in ringhold-bootguard:35 ringhold-promoter:40 ringholdd:50 ringhold-sensor:55 ringhold-agent:80; do
    systemd-analyze security --offline=yes --root="$PWD/$unit_dest" --threshold="${allowed#*:}" "${allowed%:*}.service" || return 1
  done
}

for name in every_program_helps_and_has_a_version no_test_code_in_release agent_links_no_signing_code \
  agent_loads_libcurl_when_it_fetches bootguard_needs_only_libc bootguard_is_small programs_are_hardened installs_into_a_destination \
  units_verify_without_a_word units_are_no_more_exposed_than_they_need; do
  property "$name" "$name"
done
exit $status
