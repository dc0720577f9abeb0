# What cannot be written is an error, and what a shell does around a program comes out in order: full
# and closed streams, readers that have had enough, limits on the size of files.
. tests/cli/lib.sh
small=$here/small.yaml
said() { cat "$tmp/err"; }

"$BUILD/preprocess" $small -q >/dev/null
id=$("$BUILD/train-vae" $small -q)

# ---- stdout ---------------------------------------------------------------------------------------
for program in train-vae "ablate table" "ablate plan" "registry ls" "train-vae --explain" "train-vae --json"; do
    case $program in registry*) file='' ;; *) file=$small ;; esac
    # shellcheck disable=SC2086
    set -- "$BUILD"/$program $file
    refused "$program on a full device" 74 \
        "${program%% *}: cannot write to the standard output: No space left on device" \
        sh -c '"$@" >/dev/full' - "$@"
    refused "$program with a closed stdout" 74 \
        "${program%% *}: cannot write to the standard output: Bad file descriptor" \
        sh -c '"$@" >&-' - "$@"
done
refused "--help on a full device" 74 "ablate: cannot write to the standard output: No space left on device" \
    sh -c '"$1" --help >/dev/full' - "$BUILD/ablate"
refused "--version on a full device" 74 "ablate: cannot write to the standard output: No space left on device" \
    sh -c '"$1" --version >/dev/full' - "$BUILD/ablate"
CAIRN_LAB=$tmp/whole scripts/experiment "$BUILD" $small -q >/dev/null 2>&1
for stream in '>/dev/full' '>&-'; do
    refused "a known experiment with $stream" 74 "small: 0 to run, 4 known
experiment: cannot write to the standard output" \
        sh -c "\"\$@\" $stream" - env CAIRN_LAB="$tmp/whole" scripts/experiment "$BUILD" $small
done
env -u MAKEFLAGS make -s -o all BUILD="$BUILD" LAB="$tmp/whole" experiment=$small >/dev/full 2>/dev/null
is "through make it fails as well" 2 $?

# A reader that is gone: nothing is said about it.
mkfifo "$tmp/pipe"
exec 5<>"$tmp/pipe" 6>"$tmp/pipe" 5<&-
"$BUILD/registry" ls >&6 2>"$tmp/err"
is "a reader that has had enough is no reason to talk" "74 " "$? $(said)"
"$BUILD/train-vae" $small -q --set train-vae.train.epochs=3 >&6 2>"$tmp/err"
is "nor to lose what is done" "74  done" "$? $(said) $(sql "SELECT status FROM run ORDER BY id DESC LIMIT 1")"

# ---- stderr ---------------------------------------------------------------------------------------
"$BUILD/train-vae" $small --set train-vae.train.epochs=4 2>&6 >/dev/null
is "a training goes on when nobody reads its progress" 0 $?
is "no file gets the number of a closed stream" "$id" "$(
    CAIRN_LAB=$tmp/closed
    "$BUILD/preprocess" $small >/dev/null 2>&- <&-
    "$BUILD/train-vae" $small 2>&- <&-
    [ -z "$(damaged)" ] || damaged
)"

# ---- a limit on the size of files -----------------------------------------------------------------
CAIRN_LAB=$tmp/limited
"$BUILD/preprocess" $small -q >/dev/null
sh -c 'ulimit -f 8; exec "$@"' - "$BUILD/train-vae" $small -q >"$tmp/out" 2>"$tmp/err"
is "a file larger than its limit: status 74" 74 $?
is "and one line that says so" 1 "$(grep -c '^train-vae: .*: File too large$' "$tmp/err")"
is "nothing is left running" "" "$(sql "SELECT stage, status FROM run WHERE status IN ('running', 'lost')")"
is "and without the limit it goes as ever" "$id" "$("$BUILD/train-vae" $small -q)"
done_testing
