#!/bin/sh
# Builds and runs the tests by part, prints seconds per part, and closes with
# one line: N passed, N failed, N skipped.
#   run.sh check | test | full | demo [DIR...] | bench
set -u
cd "$(dirname "$0")/.."
what=${1:?check, test, full, demo or bench}
jobs=$(nproc)
out=build/test-output
mkdir -p "$out"
passed=0 failed=0 skipped=0

now() { date +%s; }

# part NAME COMMAND...: runs a part and says how long it took.
part() {
  part_name=$1; part_start=$(now); shift
  "$@"
  echo "-- $part_name: $(($(now) - part_start)) s"
}

build() {
  make --no-print-directory -s -j"$jobs" MODE="$1" bins-and-tests >"$out/build-$1" 2>&1 && return 0
  cat "$out/build-$1"
  echo "build in mode $1 failed"
  failed=$((failed + 1))
  return 1
}

count() { grep -c "$1" "$2" || true; }

# One cmocka program: counts its OK, FAILED and SKIP lines; a crash is one failure more.
program() {
  log=$out/$(echo "$1" | tr / _)
  "$@" >"$log" 2>&1
  status=$?
  ok=$(count '^\[       OK \]' "$log")
  skip=$(count '^SKIP ' "$log")
  # cmocka names each failed test twice: as it fails, and in its closing list.
  bad=$(grep '^\[  FAILED  \] [A-Za-z0-9_]*$' "$log" | sort -u | grep -c . || true)
  [ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
  if [ "$bad" != 0 ]; then
    echo "FAILED $1 (exit status $status)"
    grep -v '^\[ \(RUN\|      OK\)' "$log" | tail -n 60
  fi
  grep '^SKIP ' "$log"
  passed=$((passed + ok)); failed=$((failed + bad)); skipped=$((skipped + skip))
}

unit_tests() {
  build "$1" || return
  for source in tests/*/test_*.c; do
    program build/"$1"/"${source%.c}"
  done
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

release_build() {
  make --no-print-directory -s -j"$jobs" MODE=release >"$out/build-release" 2>&1 || {
    cat "$out/build-release"; failed=$((failed + 1)); return; }
  program tests/release.sh
}

story() {
  make --no-print-directory -s -j"$jobs" MODE=debug all build/debug/tests/system/system >"$out/build-story" 2>&1 || {
    cat "$out/build-story"; failed=$((failed + 1)); return; }
  program build/debug/tests/system/system "$@"
}

closing() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
}

case $what in
check)
  part "unit tests" unit_tests debug
  part "corpus replay" corpus_replay debug
  closing ;;
test|full)
  part "floors" floors
  part "unit tests, debug" unit_tests debug
  part "corpus replay" corpus_replay debug
  part "unit tests, ASan and UBSan" unit_tests asan
  part "release build" release_build
  part "system tests and the demo's stories" story
  closing ;;
demo)
  make --no-print-directory -s -j"$jobs" MODE=debug all build/debug/tests/system/system || exit 1
  shift
  exec build/debug/tests/system/system --demo ${1:+--content} "$@" ;;
bench)
  make --no-print-directory -s -j"$jobs" MODE=release benches || exit 1
  for bench in build/release/tests/bench/bench_*; do [ -x "$bench" ] && "$bench"; done ;;
esac
