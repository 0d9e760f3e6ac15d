#!/bin/sh
# clang-tidy and cppcheck over our own code; any finding fails.
# LINT_ROOMS="base boot" looks at these rooms only.
set -eu
cd "$(dirname "$0")/.."
for tool in clang-tidy cppcheck; do
  command -v $tool >/dev/null || { echo "lint: $tool is not installed" >&2; exit 1; }
done
rooms=${LINT_ROOMS:-"base boot schema signing content rollout server agent cli sensor"}

# What is left out, and why. Leaks and reads of what was never set are found by
# the sanitizers, which run all unit tests and the fuzz corpora.
#   memleak, unix.Malloc    neither tool knows __attribute__((cleanup)): every AUTO() is a leak to them
#   ctuuninitvar            struct boot_report is only ever written to
#   core.*, seven of them   err_set() is in another file, so the analyzer lets a failure return zero and
#                           follows its caller with results that were never stored
#   valist                  sees va_start() as missing when several files are checked in one run
#   swappable, macro-parentheses, assignment-in-if, branch-clone, reserved-identifier   taste, not defects
#   sizeof-expression       arrays of pointers are meant
#   not-null-terminated     counted bytes are no C strings
#   narrowing, widening     characters chosen by ?: and sizes such as 64 * 1024 are int
#   DeprecatedOrUnsafe      wants the *_s functions, which glibc has not
suppress="missingIncludeSystem nullPointerArithmetic memleak ctuuninitvar"
# shellcheck disable=SC2046,SC2086 # lists of words
cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
  $(for s in $suppress; do echo "--suppress=$s"; done) -I. -D_GNU_SOURCE $rooms

checks="-*
bugprone-*
-bugprone-assignment-in-if-condition
-bugprone-branch-clone
-bugprone-easily-swappable-parameters
-bugprone-implicit-widening-of-multiplication-result
-bugprone-macro-parentheses
-bugprone-narrowing-conversions
-bugprone-not-null-terminated-result
-bugprone-reserved-identifier
-bugprone-sizeof-expression
clang-analyzer-*
-clang-analyzer-core.CallAndMessage
-clang-analyzer-core.NonNullParamChecker
-clang-analyzer-core.NullDereference
-clang-analyzer-core.UndefinedBinaryOperatorResult
-clang-analyzer-core.uninitialized.ArraySubscript
-clang-analyzer-core.uninitialized.Assign
-clang-analyzer-core.uninitialized.Branch
-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
-clang-analyzer-unix.Malloc
-clang-analyzer-valist.Uninitialized"
# shellcheck disable=SC2046 # file names of ours hold no blanks
clang-tidy --quiet --warnings-as-errors='*' --checks="$(echo "$checks" | tr '\n' ',')" \
  $(for r in $rooms; do ls "$r"/*.c; done) -- -std=gnu11 -D_GNU_SOURCE -I. -isystem /usr/share/include/llhttp $(pkg-config --cflags p11-kit-1)
