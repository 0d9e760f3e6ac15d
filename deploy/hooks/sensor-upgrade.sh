#!/bin/sh
# sensor-upgrade.sh: for the postinst of a sensor's package, once the new files are in place and
# before the new sensor starts:
#
#     . /usr/share/ringhold/hooks/sensor-upgrade.sh
#     ringhold_contract_changed || echo "content of the new sensor: see ringhold-agent history" >&2
#     deb-systemd-invoke start SENSOR.service
#
# Content that the new contract accepts is on trial again when this returns; content that it
# refuses has given way to what it accepts. An upgrade never fails for the sake of content: the
# answer is for the log, and the boot guard and probation watch what starts next.

ringhold_contract_changed() {
	agent=${RINGHOLD_AGENT:-/usr/sbin/ringhold-agent}
	[ -x "$agent" ] || return 0
	"$agent" contract-changed --wait "${1:-10m}"
	case $? in
	0) return 0 ;;
	3) echo "ringhold: what ran is refused by the new contract; older content runs" >&2 ;;
	4) echo "ringhold: no content on this host is accepted by the new contract; the sensor starts without" >&2 ;;
	5) echo "ringhold: content is still being proved; the agent goes on by itself" >&2 ;;
	*) echo "ringhold: content could not be proved under the new contract" >&2 ;;
	esac
	return 1
}
