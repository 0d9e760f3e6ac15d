#!/bin/sh
# Installs what Ringhold needs on Debian 12. Idempotent, and quiet when
# everything is there. Needs root, or sudo.
#   bootstrap.sh          to be built, and for the demo
#   bootstrap.sh tests    and what the tests run beside it: peers, tools, token emulators
set -eu

packages="gcc make pkg-config libc6-dev binutils
  libuv1-dev libssl-dev libcurl4-openssl-dev libsqlite3-dev zlib1g-dev
  node-llhttp libzstd-dev libpcre2-dev libseccomp-dev libinih-dev libyara-dev
  libp11-kit-dev libyaml-dev libcmocka-dev tzdata"
peers=$(dirname "$0")/../tests/peers
if [ "${1:-}" = tests ]; then
  packages="$packages ca-certificates libjansson-dev clang libclang-rt-14-dev strace curl openssl softhsm2 opensc
    bsdiff xdelta3 zstd squid qemu-system-x86 qemu-system-common busybox-static e2fsprogs libelf1
    mmdebstrap kmod systemd ovmf mtools fdisk
    prometheus clamav spamassassin apache2-bin libapache2-mod-security2 modsecurity-crs libsocket-wrapper
    haproxy libxml2-utils"
  # Node.js may have come in another way than from Debian.
  command -v node >/dev/null || packages="$packages nodejs"
  command -v npm >/dev/null || packages="$packages npm"
fi

have() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root=""
if [ "$(id -u)" != 0 ]; then as_root="sudo"; fi

missing=""
for package in $packages; do
  have "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "bootstrap: installing$missing"
  command -v ${as_root:-true} >/dev/null || { echo "bootstrap: needs root or sudo to install packages" >&2; exit 1; }
  # shellcheck disable=SC2086 # the list is meant to be split
  $as_root env DEBIAN_FRONTEND=noninteractive sh -eu -c '
    # Some of these bring services along, which nobody here asked to run.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy"
      trap "rm -f $policy" EXIT
    fi
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    for pair in clamav:clamav-freshclam prometheus:prometheus squid:squid haproxy:haproxy; do
      case " $* " in *" ${pair%:*} "*) ;; *) continue ;; esac
      if [ -d /run/systemd/system ] && systemctl is-enabled -q "${pair#*:}" 2>/dev/null; then
        systemctl disable -q "${pair#*:}"
      fi
    done
  ' bootstrap $missing
  echo "bootstrap: done"
fi

# The peers that come from npm: exactly those of the lock file.
if [ "${1:-}" = tests ] && ! cmp -s "$peers/package-lock.json" "$peers/node_modules/.of-lock"; then
  echo "bootstrap: installing the npm packages of tests/peers"
  (cd "$peers" && npm ci --silent)
  cp "$peers/package-lock.json" "$peers/node_modules/.of-lock"
fi

# The kernel that virtual machines boot; it is not installed on this one.
if [ "${1:-}" = tests ]; then sh "$(dirname "$0")/../tests/vm/pieces.sh" "$(dirname "$0")/../build/vm"; fi
