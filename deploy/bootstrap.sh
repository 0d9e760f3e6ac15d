#!/bin/sh
# Installs what Ringhold needs to be built and tested on Debian 12.
# Idempotent, and quiet when everything is there. Needs root, or sudo.
set -eu

build="gcc make pkg-config libc6-dev binutils
  libuv1-dev libssl-dev libcurl4-openssl-dev libsqlite3-dev zlib1g-dev
  node-llhttp libzstd-dev libpcre2-dev libseccomp-dev libinih-dev libyara-dev"
tests="libcmocka-dev libjansson-dev clang libclang-rt-14-dev strace curl openssl"

have() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=""
for package in $build $tests; do
  have "$package" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

echo "bootstrap: installing$missing"
as_root=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "bootstrap: needs root or sudo to install packages" >&2; exit 1; }
  as_root="sudo"
fi
# shellcheck disable=SC2086 # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive sh -eu -c '
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
' bootstrap $missing
echo "bootstrap: done"
