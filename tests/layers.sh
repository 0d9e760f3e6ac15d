#!/bin/sh
# Floors are strict: a file includes only from its own room or from a lower floor.
# Arguments: the rooms of each floor, lowest first.
set -eu
below=""
bad=0
for floor in "$@"; do
  for room in $floor; do
    allowed="$room $below"
    [ "$room" = boot ] && allowed="boot"
    for file in "$room"/*.[ch]; do
      [ -f "$file" ] || continue
      for dir in $(sed -n 's|^#include "\([^"/]*\)/.*|\1|p' "$file" | sort -u); do
        case " $allowed " in
          *" $dir "*) ;;
          *) echo "$file: includes $dir/, which is not below $room/" >&2; bad=1 ;;
        esac
      done
    done
  done
  below="$below $floor"
done
[ "$bad" = 0 ] && echo "floors: every include goes down"
exit "$bad"
