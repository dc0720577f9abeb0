# A full disk, a read-only lab, a registry from a newer version. Small file systems of our own need a
# mount namespace, in which the whole script runs where that is allowed.
if [ -z "${CAIRN_NAMESPACE:-}" ] && unshare -rm true 2>/dev/null; then
    CAIRN_NAMESPACE=1 exec unshare -rm sh "$0"
fi
. tests/cli/lib.sh

stage() { # PROGRAM [OPTION ...]: its artifact, or its status
    program=$1
    shift
    "$BUILD/$program" "$tmp/disk.yaml" -q "$@" || echo "status $?"
}
sed 's/epochs: 2, batch: 32/epochs: 20, batch: 32/' $here/small.yaml >"$tmp/disk.yaml"

# ---- without a mount ------------------------------------------------------------------------------
stage preprocess >/dev/null
vae=$(stage train-vae)
CAIRN_LAB=/proc/lab
refused "a lab that cannot be made" 74 "preprocess: cannot create folder '/proc/lab': No such file or directory" \
    "$BUILD/preprocess" $here/small.yaml
CAIRN_LAB=$tmp/newer
stage preprocess >/dev/null
sql "PRAGMA user_version = 99"
for program in preprocess "ablate plan" report; do
    # shellcheck disable=SC2086
    refused "a registry from a newer version ($program)" 78 \
        "${program%% *}: registry '$CAIRN_LAB/registry.db' was written by a newer version (schema 99, this program knows 1)" \
        "$BUILD"/$program "$tmp/disk.yaml"
done
CAIRN_LAB=$tmp/damaged
mkdir "$CAIRN_LAB"
echo 'not a database, though long enough to be taken for one' >"$CAIRN_LAB/registry.db"
refused "a registry that is no database" 65 \
    "preprocess: registry '$CAIRN_LAB/registry.db' is damaged: file is not a database; 'registry rebuild' restores it from the records of its runs" \
    "$BUILD/preprocess" "$tmp/disk.yaml"

# ---- with mounts ----------------------------------------------------------------------------------
small=$tmp/small
mkdir "$small"
if [ -z "${CAIRN_NAMESPACE:-}" ] || ! mount -t tmpfs -o size=3m none "$small" 2>/dev/null; then
    skip "a full disk and a read-only lab" "mounting is not allowed here"
    done_testing
    exit
fi
leave() { # KILOBYTES: fills the small disk up to so much
    : >"$small/filler"
    left=$(df -k --output=avail "$small" | tail -n 1)
    [ "$left" -gt "$1" ] && head -c $(((left - $1) * 1024)) /dev/zero >"$small/filler"
}
full='^train-vae: .*: [Nn]o space left on device$'

CAIRN_LAB=$small/checkpoint
stage preprocess >/dev/null
leave 420
"$BUILD/train-vae" "$tmp/disk.yaml" -q --set train-vae.train.checkpoint.seconds=0 \
    --set train-vae.train.checkpoint.share=1 >"$tmp/out" 2>"$tmp/err"
is "a disk full during a checkpoint: status 74" 74 $?
is "and one line that says so" "1 1" \
    "$(wc -l <"$tmp/err") $(grep "$full" "$tmp/err" | grep -c "cannot write '$CAIRN_LAB/work/.*/checkpoint-")"
is "no result is known" "" "$(sql "SELECT status FROM run WHERE stage = 'train-vae' AND status IN ('done', 'running')")"
rm "$small/filler"
is "with room again the same command gives the same artifact" "$vae" "$(stage train-vae)"
is "and goes on where a checkpoint was" 1 "$(sql "SELECT count(*) FROM event WHERE kind = 'resumed'")"
rm -rf "$CAIRN_LAB"

# Room for more and more of what comes after the last step, until all of it fits.
CAIRN_LAB=$small/commit
stage preprocess >/dev/null
cp -r "$CAIRN_LAB" "$tmp/before"
room=0 bad='' at_commit=0
while
    rm -rf "$CAIRN_LAB" # what one attempt leaves would make room for the next
    cp -r "$tmp/before" "$CAIRN_LAB"
    leave $room
    "$BUILD/train-vae" "$tmp/disk.yaml" -q >"$tmp/out" 2>"$tmp/err"
    rc=$?
    [ $rc -ne 0 ] && [ $room -lt 600 ]
do
    [ $rc -eq 74 ] && [ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -q "$full" "$tmp/err" ||
        bad="$bad $room KB: $rc $(cat "$tmp/err")"
    # the commit: the run's record and the registry's rows, after the files are in place
    [ "$(find "$CAIRN_LAB/objects" -type f -size +60k | wc -l)" -eq 3 ] &&
        grep -Eq "'$CAIRN_LAB/(runs|registry)" "$tmp/err" && at_commit=$((at_commit + 1))
    rm "$small/filler"
    [ -z "$(sql "SELECT id FROM run WHERE stage = 'train-vae' AND status = 'done'")" ] ||
        bad="$bad $room KB: a run that seems to be well"
    room=$((room + 8))
done
is "whatever has room on a full disk: status 74 and one line that says so" "" "$bad"
is "the commit itself was among what had none" yes "$([ $at_commit -gt 0 ] && echo yes || echo no)"
is "and in the end the same artifact" "$vae" "$(cat "$tmp/out")"
is "all objects are sound" "" "$(damaged)"

# ---- read-only ------------------------------------------------------------------------------------
mkdir "$tmp/fixed"
mount --bind "$tmp/lab" "$tmp/fixed"
mount -o remount,bind,ro "$tmp/fixed"
CAIRN_LAB=$tmp/fixed
is "a read-only lab knows its results" "$vae" "$(stage train-vae)"
holds "and lists them" sh -c "'$BUILD/registry' ls | grep -q 'train-vae *done'"
refused "what it does not know it cannot run" 74 "train-vae: lab '$CAIRN_LAB' is read-only" \
    "$BUILD/train-vae" "$tmp/disk.yaml" -q --set seed=5
umount "$small" "$tmp/fixed"
done_testing
