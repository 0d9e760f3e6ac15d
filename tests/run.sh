#!/bin/sh
# Builds and runs the tests by part, prints the seconds of each, and closes with
# one line: N passed, N failed, N skipped.
#   run.sh check | test | full | incidents | vm | powercut | faults | sanitizers | system | demo [DIR...] | bench
set -u
cd "$(dirname "$0")/.."
what=${1:?check, test, full, incidents, vm, powercut, faults, sanitizers, system, demo or bench}
jobs=$(nproc)
out=$PWD/build/test-output
passed=0 failed=0 skipped=0
rm -f "$out"/*.seconds

now() { date +%s; }

# part NAME COMMAND...: runs a part and says how long it took.
part() {
  part_name=$1; part_start=$(now); shift
  "$@"
  echo "-- $part_name: $(($(now) - part_start)) s"
}

# build MODE TARGET...: quiet unless it fails.
build() {
  mode=$1; shift
  mkdir -p "$out"
  make --no-print-directory -s -j"$jobs" MODE="$mode" "$@" >"$out/build-$mode" 2>&1 && return 0
  cat "$out/build-$mode"
  echo "FAILED build in mode $mode"
  failed=$((failed + 1))
  return 1
}

# programs COMMAND...: runs every command (one word each), as many at a time as
# there are cores, then counts what they print: cmocka's lines, and named skips.
programs() {
  for program in "$@"; do echo "$program"; done |
    xargs -P "${at_once:-$jobs}" -I{} sh -c 'log=$1/$(echo "$2" | tr / _); from=$(date +%s); timeout "${limit:-1800}" "$2" >"$log" 2>&1; echo $? >"$log.status"
      echo "$(($(date +%s) - from)) s ${2#build/}" >"$log.seconds"' sh "$out" {}
  for program in "$@"; do tally "$program"; done
}

# A program that left in another way than by its own verdict is one failure more.
tally() {
  log=$out/$(echo "$1" | tr / _)
  status=$(cat "$log.status")
  ok=$(grep -c '^\[       OK \]' "$log")
  # cmocka names each failed test twice: as it fails, and in its closing list.
  bad=$(grep '^\[  FAILED  \] [A-Za-z0-9_]*$' "$log" | sort -u | grep -c .)
  skip=$(grep -c '^SKIP ' "$log")
  [ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
  if [ "$bad" != 0 ]; then
    echo "FAILED $1 (exit status $status)"
    grep -v '^\[ \(RUN\|      OK\)' "$log" | tail -n 60
  fi
  grep '^SKIP ' "$log"
  passed=$((passed + ok)); failed=$((failed + bad)); skipped=$((skipped + skip))
}

# Whole programs taken through long stories, and long sums: `make check` does not wait for them, and with
# the sanitizers, under which they take twice as long, only `make test-full` does.
drills="agent/test_agent_offline agent/test_agent_probation agent/test_agent_ceilings agent/test_agent_windows agent/test_agent_redrop agent/test_agent_upkeep agent/test_agent_contract agent/test_package agent/test_agent_held agent/test_agent_reload agent/test_hostile agent/test_hostile_content
  agent/test_judge_authorities agent/test_judge_restart agent/test_loaders agent/test_memory agent/test_proxy agent/test_sweep boot/test_guard_faults agent/test_readers content/test_engines
  cli/test_key_commands cli/test_mirror rollout/test_gate_simulation rollout/test_silence_simulation rollout/test_gate_exact rollout/test_simulate rollout/test_simulate_policy schema/test_ajv server/test_control
  server/test_audit server/test_client_cert server/test_device_agent server/test_devices
  server/test_gates server/test_gates_silence server/test_gates_strata server/test_life server/test_oidc server/test_openapi server/test_openapi_fleet server/test_openapi_content server/test_openapi_rollouts server/test_ringholdd server/test_raw server/test_several_keys
  server/test_tokens server/test_limits server/test_repeated server/test_backup server/test_observe server/test_dashboards server/test_ready server/test_webhooks server/test_webhook_tls server/test_hooks server/test_verbs server/test_verbs_done signing/test_attacks signing/test_repo
  signing/test_repo_life signing/test_seckey agent/test_transfer agent/test_transfer_delta agent/test_orders_at_boot agent/test_install agent/test_install_authorities"

is_drill() {
  for drill in $drills; do [ "tests/$drill.c" = "$1" ] && return 0; done
  return 1
}

# unit_tests MODE ROOM...
unit_tests() {
  mode=$1; shift
  short="" long=""
  for room in "$@"; do
    for source in tests/"$room"/test_*.c; do
      if is_drill "$source"; then
        long="$long build/$mode/${source%.c}"
      else
        short="$short build/$mode/${source%.c}"
      fi
    done
  done
  case $what,$mode in check,* | test,asan) long="" ;; esac
  at_once=$((jobs * 2))   # many of them wait more than they work
  # shellcheck disable=SC2086 # names of ours hold no blanks
  programs $long $short   # the long ones first, so that none is left over
  at_once=""
}

corpus_replay() {
  for target in build/"$1"/tests/fuzz/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    if "$target" tests/fuzz/corpus/"$name" >"$out/fuzz-$name" 2>&1; then
      passed=$((passed + 1))
    else
      echo "FAILED replay of tests/fuzz/corpus/$name"; tail -n 30 "$out/fuzz-$name"
      failed=$((failed + 1))
    fi
  done
}

floors() {
  if make --no-print-directory layers; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

house="base boot cli sensor"
trust="signing"
schema="schema"
host="content agent"
rollouts="rollout server"

# by_part MODE: every unit test, under the part it belongs to.
by_part() {
  # shellcheck disable=SC2086 # lists of rooms
  {
    part "house, $1" unit_tests "$1" $house
    part "trust, $1" unit_tests "$1" $trust
    part "schema, $1" unit_tests "$1" $schema
    part "host, $1" unit_tests "$1" $host
    part "rollouts, $1" unit_tests "$1" $rollouts
  }
}

release_build() {
  build release all && programs tests/release.sh
}

# The demo's stories, then every other program with a world of its own.
stories() {
  build debug system-tests || return
  system=""
  for source in tests/system/test_*.c; do system="$system build/debug/${source%.c}"; done
  # shellcheck disable=SC2086 # names of ours hold no blanks
  programs build/debug/tests/system/system $system
}

# machines PROGRAM...: virtual machines with a real kernel.
machines() {
  build debug machines || return
  programs "$@"
}

all_machines() {
  programs_of=""
  for source in tests/vm/test_*.c; do
    [ "$source" = "$whole_system.c" ] || programs_of="$programs_of build/debug/${source%.c}"
  done
  # shellcheck disable=SC2086 # names of ours hold no blanks
  machines $programs_of
}

# Disks as a power cut leaves them, one program at a time: each has loop devices of its own.
power_cuts() {
  build debug powercuts || return
  at_once=1
  for source in tests/powercut/test_*.c; do
    programs "build/debug/${source%.c}"
    grep -h '^\(power cuts\|without the sync\|sweep\)' "$out/build_debug_$(echo "${source%.c}" | tr / _)"
  done
  at_once=""
}

# faults KILLS: a real server among kills, full disks, clocks that jump and hostile peers.
faults() {
  build debug faults || return
  RINGHOLD_KILLS=$1; export RINGHOLD_KILLS
  from_debug=""
  for source in tests/faults/test_*.c; do from_debug="$from_debug build/debug/${source%.c}"; done
  at_once=$((jobs * 2))   # they wait more than they work
  # shellcheck disable=SC2086 # names of ours hold no blanks
  programs $from_debug
  at_once=""
  for program in $from_debug; do grep -h '^\(kills\|seed\|backup\|idle connections\)' "$out/$(echo "$program" | tr / _)"; done
  unset RINGHOLD_KILLS
}

# sanitized MODE: the server's tests, its faults and whole systems, in a build that stops at the first finding.
sanitized() {
  build "$1" all unit-tests faults system-tests || return
  TSAN_OPTIONS=halt_on_error=1 RINGHOLD_KILLS=20; export TSAN_OPTIONS RINGHOLD_KILLS
  threaded=""
  for source in tests/server/test_*.c tests/faults/test_*.c tests/system/test_*.c; do
    # the other sanitizer has the server's own tests in `make test`
    [ "$1" = asan ] && [ "${source#tests/server/}" != "$source" ] && continue
    threaded="$threaded build/$1/${source%.c}"
  done
  # shellcheck disable=SC2086 # names of ours hold no blanks
  programs $threaded "build/$1/tests/system/system"
  unset TSAN_OPTIONS RINGHOLD_KILLS
}

sanitizers() {
  part "systems, TSan" sanitized tsan
  part "systems, ASan and UBSan" sanitized asan
}

# Debian with systemd, installed and booted; one machine at a time, each longer than all the others.
whole_system=tests/vm/test_systemd
system() {
  sh tests/vm/debian.sh build/vm/debian.tar || { failed=$((failed + 1)); return; }
  limit=5400; export limit
  machines build/debug/$whole_system
  unset limit
}

incidents() {
  build debug incidents || return
  programs build/debug/tests/incidents/test_table
  sed -n '/^What stops it alone/,/^In their words/p' "$out/build_debug_tests_incidents_test_table" | sed '$d'
}

closing() {
  echo "-- longest: $(cat "$out"/*.seconds 2>/dev/null | sort -rn | head -n 5 | paste -sd, | sed 's/,/, /g')"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
}

case $what in
check)
  part "build" build debug bins-and-tests || { closing; exit 1; }
  by_part debug
  part "corpus replay" corpus_replay debug
  closing ;;
test|full)
  part "floors" floors
  part "build, debug" build debug bins-and-tests
  by_part debug
  part "corpus replay" corpus_replay debug
  part "incidents" incidents
  part "the demo's stories, and systems" stories
  if [ "$what" = test ]; then
    part "faults" faults 20
    part "a machine that panics" machines build/debug/tests/vm/test_panic_loop
  else
    part "machines" all_machines
    part "power cuts" power_cuts
    part "faults" faults 200
    sanitizers
    part "a whole system" system
  fi
  part "build, ASan and UBSan" build asan bins-and-tests
  by_part asan
  part "release build and its properties" release_build
  closing ;;
incidents)
  part "incidents" incidents
  closing ;;
vm)
  part "machines" all_machines
  closing ;;
powercut)
  part "power cuts" power_cuts
  closing ;;
faults)
  part "faults" faults 200
  closing ;;
sanitizers)
  sanitizers
  closing ;;
system)
  part "a whole system" system
  closing ;;
demo)
  build debug all build/debug/tests/system/system || exit 1
  shift
  exec build/debug/tests/system/system --demo ${1:+--content} "$@" ;;
bench)
  build release benches || exit 1
  for source in tests/bench/bench_*.c; do
    bench=build/release/${source%.c}
    "$bench" || { echo "FAILED $bench (exit status $?)"; failed=$((failed + 1)); }
    echo
  done
  echo "benches: $failed failed; deltas, staging and the switch fail beyond their limits (times only when the best of three is); any other ratio of times beyond the limit beside it says what this machine does now, and is no failure"
  [ "$failed" = 0 ] ;;
esac
