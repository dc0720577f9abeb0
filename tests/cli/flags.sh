# Flags that would change what numbers come out are refused, others are part of the build id, and a
# compiler for another processor is told so.
. tests/cli/lib.sh
unset MAKEFLAGS MAKELEVEL CC CFLAGS LDFLAGS

# The line that make ends with.
said() {
    make -s BUILD="$tmp/build" "$@" all 2>&1 | sed 's/^Makefile:[0-9]*: //' | tail -n 1
}
fast='*** CFLAGS, LDFLAGS: fast-math changes results and removes checks.  Stop.'
is "CFLAGS=-ffast-math" "$fast" "$(said CFLAGS="-O3 -ffast-math")"
is "CFLAGS=-Ofast" "$fast" "$(said CFLAGS=-Ofast)"
is "LDFLAGS=-ffast-math, which flushes subnormal numbers" "$fast" "$(said LDFLAGS=-ffast-math)"
is "CC with -funsafe-math-optimizations" "$fast" "$(said CC="gcc -funsafe-math-optimizations")"

# Flags that make does not know by name are caught by the compiler's macros.
echo '#include "base/err.h"' >"$tmp/any.c"
for flags in -ffast-math -Ofast -ffinite-math-only -freciprocal-math -fno-signed-zeros \
    "-fno-signed-zeros -fno-trapping-math -fassociative-math"; do
    # shellcheck disable=SC2086
    if gcc $flags -Icommon -fsyntax-only "$tmp/any.c" 2>"$tmp/err"; then said=accepted; else
        said=$(grep -o '"CFLAGS: fast-math.*"' "$tmp/err" | head -n 1)
    fi
    is "$flags does not compile" '"CFLAGS: fast-math (-ffast-math, -Ofast or a part of them) changes results"' "$said"
done

id() {
    make -s BUILD="$tmp/build" "$@" "$tmp/build/build_id.h" && sed 's/.* \(.*\)"/\1/' "$tmp/build/build_id.h"
}
plain=$(id)
given=$(id CFLAGS=-mprefer-vector-width=128)
is "other flags are another build" different "$([ "$plain" != "$given" ] && echo different)"
is "and none are the same again" "$plain" "$(id)"
holds "contraction is off, whatever is asked for" sh -c \
    'make -n BUILD="$1" CFLAGS=-ffp-contract=fast "$1/common/base/random.o" | grep -q -- "-ffp-contract=fast .*-ffp-contract=off"' \
    sh "$tmp/build"

printf '#!/bin/sh\necho aarch64-linux-gnu\n' >"$tmp/cross"
chmod +x "$tmp/cross"
is "another processor" "*** $tmp/cross builds for aarch64-linux-gnu: Cairn is for x86-64 alone.  Stop." \
    "$(said CC="$tmp/cross")"
done_testing
