#!/bin/sh
# clang-tidy and cppcheck over our own code; any finding fails.
set -eu
cd "$(dirname "$0")/.."
for tool in clang-tidy cppcheck; do
  command -v $tool >/dev/null || { echo "lint: $tool is not installed" >&2; exit 1; }
done
rooms="base boot schema signing content rollout server agent cli sensor"
cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
  --suppress=missingIncludeSystem --suppress=nullPointerArithmetic -I. -D_GNU_SOURCE $rooms
# shellcheck disable=SC2046 # file names of ours hold no blanks
clang-tidy --quiet --warnings-as-errors='*' \
  --checks='-*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-macro-parentheses,-bugprone-assignment-in-if-condition,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling' \
  $(for r in $rooms; do ls $r/*.c; done) -- -std=gnu11 -D_GNU_SOURCE -I. -isystem /usr/share/include/llhttp
