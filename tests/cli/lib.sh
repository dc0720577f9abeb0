# What the command-line tests share: TAP lines, a scratch folder, the programs under test.
set -u
BUILD=${BUILD:-build}
here=tests/cli
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM # a signal alone would leave it
count=0 failed=0
export CAIRN_LAB="$tmp/lab" CAIRN_DATA="$tmp/no-data"

# is "sentence" EXPECTED GOT
is() {
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        failed=1
        printf 'not ok %d - %s\n# expected: %s\n# got:      %s\n' "$count" "$1" "$2" "$3"
    fi
}
# holds "sentence" COMMAND...
holds() {
    count=$((count + 1))
    sentence=$1
    shift
    if "$@" >"$tmp/out" 2>&1; then
        echo "ok $count - $sentence"
    else
        failed=1
        printf 'not ok %d - %s\n' "$count" "$sentence"
        sed 's/^/# /' "$tmp/out" | head -n 6
    fi
}
# refused "sentence" STATUS "line on stderr" COMMAND...   The whole of stderr must be that line.
refused() {
    count=$((count + 1))
    sentence=$1 want=$2 line=$3
    shift 3
    "$@" >"$tmp/out" 2>"$tmp/err"
    rc=$?
    if [ "$rc" -eq "$want" ] && [ "$(cat "$tmp/err")" = "$line" ]; then
        echo "ok $count - $sentence"
    else
        failed=1
        printf 'not ok %d - %s\n# expected %d: %s\n# got      %d: %s\n' "$count" "$sentence" "$want" \
            "$line" "$rc" "$(cat "$tmp/err")"
    fi
}
skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}
# A disc and a bar, 12 pixels wide and 20 high, as a camera stores them that was held upright (lying, with
# EXIF orientation 6 behind the pixels), and as they are shown.
held_picture() {
    printf '%s' iVBORw0KGgoAAAANSUhEUgAAABQAAAAMCAAAAABHZ8InAAAAJklEQVR42mNgIA2cOHECTC9YgCIGEUUSPHEC \
        JkqWIFYzsdtOPgAAWGglqdsx7REAAAAyZVhJZk1NACoAAAAIAAMBAAADAAAAAQBjAAABEgADAAAAAQAGAAABAQADAAAAAQBNAAAAAAAAsiw0SQAAAABJRU5ErkJggg== | base64 -d
}
shown_picture() {
    printf '%s' iVBORw0KGgoAAAANSUhEUgAAAAwAAAAUCAAAAACcm4PNAAAAJUlEQVR42mNgIAGcOHECmQ3nnTiBxMPNQdGD \
        ahpxYAEEYOFQBABrBiWpznYppgAAAABJRU5ErkJggg== | base64 -d
}
# The same with alpha: about the disc and the bar it is transparent.
clear_picture() {
    printf '%s' iVBORw0KGgoAAAANSUhEUgAAAAwAAAAUCAQAAAAT+RSaAAAAK0lEQVR42mNgaGCgPjjxHwRxCGNIIYTRpEiX \
        wGkHHldRDSz4jwyJkRgYAACgqVj25ZdnnQAAAABJRU5ErkJggg== | base64 -d
}
sql() { sqlite3 "$CAIRN_LAB/registry.db" "$1"; }
done_testing() {
    echo "1..$count"
    exit $failed
}
# What a run that came to nothing has left: rows that are not failed, lost or stopped, files in work/,
# objects other than the texts of recipes. Nothing is what it should be.
leftovers() {
    [ -e "$CAIRN_LAB/registry.db" ] || return 0
    sql "SELECT 'run ' || id || ' is ' || status FROM run WHERE status IN ('running', 'done')
        UNION ALL SELECT 'artifact ' || id FROM artifact"
    find "$CAIRN_LAB/work" -type f
    sql "SELECT recipe FROM run" | sort -u >"$tmp/recipes"
    find "$CAIRN_LAB/objects" -type f | sed 's,.*/objects/,,; s,/,,' | sort | comm -13 "$tmp/recipes" -
}
# Objects whose bytes are not what their name says.
damaged() {
    find "$CAIRN_LAB/objects" -type f -print0 | xargs -0 sha256sum |
        awk '{ name = $2; sub(".*/objects/", "", name); sub("/", "", name); if (name != $1) print name }'
}
# The artifact ids of all done runs, one "STAGE PORT ID" a line.
artifacts() {
    sql "SELECT DISTINCT stage, port, artifact FROM run JOIN run_output ON run = id WHERE status = 'done' ORDER BY 1, 2, 3"
}
