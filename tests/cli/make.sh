# What a user names reaches the programs through make as it was given: folders, data, changes, files.
. tests/cli/lib.sh

# -o all: what is tested is what was built
by_make() { env -u MAKEFLAGS -u CAIRN_LAB -u CAIRN_DATA ${MAKE:-make} -s -o all BUILD="$BUILD" "$@" 2>&1 | grep -v '^scripts/experiment'; }
lab_of() { sed -n 's,^report: \(.*\)/reports/small/index.html.*,\1,p'; }

# ---- names ----------------------------------------------------------------------------------------
cat >"$tmp/idx.yaml" <<'END'
name: idx
preprocess: {source: {format: idx, root: digits}}
END
for name in 'two words' 'back\slash' 'x;touch y' 'a$b$(touch z)' "it's" 'say "so"' 'a#b' '(a|b)' 'a*b' '-n' 'a&b' 'ünïcode'; do
    is "LAB=$name" "$tmp/$name" "$(by_make -n experiment=$here/small.yaml LAB="$tmp/$name" | lab_of)"
    holds "DATA=$name" sh -c "printf %s \"\$1\" | grep -qF -- \"in '\$2/digits'\"" - \
        "$(by_make -n experiment="$tmp/idx.yaml" DATA="$tmp/$name")" "$tmp/$name"
    cp $here/small.yaml "$tmp/$name.yaml"
    is "experiment=$name.yaml" "small: 4 to run, 0 known" \
        "$(by_make -n experiment="$tmp/$name.yaml" LAB="$tmp/none" | head -n 1)"
done
is "and no shell has read them" "" "$(ls y z "$tmp/y" "$tmp/z" 2>/dev/null)"
odd="$tmp/a b\\c'd\"e;\$f#g&h"
is "a whole experiment runs in such a lab" "$odd/reports/small/index.html" \
    "$(by_make experiment="$tmp/it's.yaml" LAB="$odd" | tail -n 1)"
is "to the end" 4 "$(sqlite3 "$odd/registry.db" "SELECT count(*) FROM run WHERE status = 'done'")"
is "a line break cannot be said to make" \
    "ablate: '$tmp/two?lines': a line break in a path or name" \
    "$(by_make experiment=$here/small.yaml LAB="$tmp/two
lines" | head -n 2 | tr '\n' '?' | sed 's/?$//; s/?make.*//')"

lab() { env -u MAKEFLAGS "$@" | lab_of; }
is "CAIRN_LAB is the lab" "$tmp/a b" "$(lab CAIRN_LAB="$tmp/a b" make -sn -o all BUILD="$BUILD" experiment=$here/small.yaml)"
is "unless make is given one" "$tmp/c" \
    "$(lab CAIRN_LAB="$tmp/a b" make -sn -o all BUILD="$BUILD" experiment=$here/small.yaml LAB="$tmp/c")"
for name in CAIRN_LAB CAIRN_DATA; do
    env -u MAKEFLAGS make -sn -o all BUILD="$BUILD" experiment=$here/small.yaml $name="$tmp/\$(shell touch $tmp/$name)" >/dev/null 2>&1
    is "$name= is not read by make" no "$([ -e "$tmp/$name" ] && echo yes || echo no)"
done
is "CAIRN_LAB= is the lab as it was given" "$tmp/\$(x)" \
    "$(lab make -sn -o all BUILD="$BUILD" experiment=$here/small.yaml CAIRN_LAB="$tmp/\$(x)")"

# ---- changes --------------------------------------------------------------------------------------
"$BUILD/preprocess" $here/small.yaml -q >/dev/null
recipe() { "$BUILD/train-vae" "$@" --explain | sed -n 's/^recipe //p'; }
sed 's/epochs: 2, batch: 32}$/epochs: 3, batch: 16}/; s/hidden: 32/hidden: 24/' $here/small.yaml >"$tmp/changed.yaml"
is "set= takes maps, and several changes" "$(recipe "$tmp/changed.yaml")" "$(
    env -u MAKEFLAGS make -s -o all BUILD="$BUILD" DATA="$CAIRN_DATA" LAB="$CAIRN_LAB" experiment=$here/small.yaml \
        set="train-vae.train={epochs: 3, batch: 16} train-vae.model.hidden=24" >"$tmp/out" 2>&1
    sql "SELECT recipe FROM run WHERE stage = 'train-vae'"
)"

# ---- nothing to write -----------------------------------------------------------------------------
state() { (cd "$CAIRN_LAB" && find . -type f ! -name 'registry.db*' -exec sha256sum {} + | sort) && sql .dump; }
before=$(state)
is "make -n says what would run" "small: 2 to run, 2 known
train-vae: variant 'default', seed 0
evaluate: variant 'default', seed 0
report: $CAIRN_LAB/reports/small/index.html, which would be written" \
    "$(by_make -n LAB="$CAIRN_LAB" experiment=$here/small.yaml set=train-vae.train.epochs=4)"
is "and changes no file of the lab" "$before" "$(state)"
by_make -n LAB="$tmp/fresh" experiment=$here/small.yaml >/dev/null
is "nor makes one" no "$([ -e "$tmp/fresh" ] && echo yes || echo no)"
for flags in -n -nj4 -q; do
    env -u MAKEFLAGS make $flags BUILD="$tmp/none" >/dev/null 2>"$tmp/err"
    is "make $flags makes no folder of a build either" "no " \
        "$([ -e "$tmp/none" ] && echo yes || echo no) $(cat "$tmp/err")"
done
is "without a name there is nothing to plan" "experiment: a name or a file expected (make experiment=NAME)" \
    "$(by_make experiment | head -n 1)"
done_testing
