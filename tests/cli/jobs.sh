# Programs that make runs side by side share the processors, and no recipe changes for it.
. tests/cli/lib.sh
printf 'seeds: 2\n' | cat $here/small.yaml - >"$tmp/seeds.yaml"
plan() { "$BUILD/ablate" plan "$tmp/seeds.yaml" "$@"; }
targets() { sed -n 's/^\([0-9a-f]\{64\}\):.*/\1/p' "$1"; }
said() { sed -n 's/.*--threads \([0-9]*\) .*/\1/p' "$1" | sort -u | tr '\n' ' '; }

# ---- the plan -------------------------------------------------------------------------------------
plan >"$tmp/alone"
plan --jobs 3 >"$tmp/beside"
is "the same work, whatever runs side by side" "$(targets "$tmp/alone")" "$(targets "$tmp/beside")"
is "a program alone has all processors, unsaid" "" "$(said "$tmp/alone")"
is "and says nothing of threads" "small: 6 to run, 0 known" "$(sed -n 's/^# plan of //p' "$tmp/alone")"
one_core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
for jobs in 2 9; do
    taskset -c "$one_core" "$BUILD/ablate" plan "$tmp/seeds.yaml" --jobs $jobs >"$tmp/one"
    is "one processor is one thread each, with $jobs programs" "1 small: 6 to run, 0 known, 1 thread each" \
        "$(said "$tmp/one")$(sed -n 's/^# plan of //p' "$tmp/one")"
done
is "what computes is told, and nothing else" "evaluate 2 train-classifier 1 train-vae 2 " \
    "$(sed -n "s,.*$BUILD/\([a-z-]*\)'.* --threads [0-9]* .*,\1,p" "$tmp/beside" | sort | uniq -c | awk '{ printf "%s %s ", $2, $1 }')"
printf 'name: chain\npreprocess: {source: {format: shapes}}\ntrain-vae: {}\nevaluate: {metrics: [mse]}\n' >"$tmp/chain.yaml"
is "one after the other there is nothing to share" "3 rules " \
    "$("$BUILD/ablate" plan "$tmp/chain.yaml" --jobs 9 >"$tmp/chain" && targets "$tmp/chain" | wc -l) rules $(said "$tmp/chain")"
refused "no programs side by side" 64 "ablate: --jobs '0': a whole number from 1 to 2147483647 expected" plan --jobs 0
refused "a table is made by one program" 64 "ablate: usage: ablate plan | table EXPERIMENT.yaml [OPTION ...]" \
    "$BUILD/ablate" table "$tmp/seeds.yaml" --jobs 2

# ---- a stage --------------------------------------------------------------------------------------
recipe_of() { "$BUILD/train-vae" $here/small.yaml --explain "$@" | sed -n 's/^recipe //p'; }
threads_of() { sql "SELECT numerics FROM run ORDER BY id DESC LIMIT 1" | sed 's/.* threads \([0-9]*\).*/\1/'; }
CAIRN_LAB=$tmp/lab-stage
"$BUILD/preprocess" $here/small.yaml -q >/dev/null
is "--threads is in no recipe" "$(recipe_of)" "$(recipe_of --threads 3)"
"$BUILD/train-vae" $here/small.yaml -q --threads 3 >/dev/null
is "but it is what runs" 3 "$(threads_of)"
"$BUILD/ablate" plan $here/small.yaml --jobs 9 >"$tmp/rest"
is "beside what is known there is nothing to share" "2 rules " "$(targets "$tmp/rest" | wc -l) rules $(said "$tmp/rest")"
"$BUILD/train-vae" $here/small.yaml -q --threads 3 --set backend.threads=2 >/dev/null
is "unless the file has a number of its own" 2 "$(threads_of)"
"$BUILD/train-vae" "$tmp/seeds.yaml" -q --threads 1 --seed 1 >/dev/null
numerics=$(sql "SELECT numerics FROM run ORDER BY id DESC LIMIT 1")
is "two cells with other numerics: the report says which has which" "<td>${numerics% *} 3</td> <td>default, seed 0</td> <td>$numerics</td> <td>default, seed 1</td>" \
    "$("$BUILD/report" "$tmp/seeds.yaml" | xargs sed 's,<t[dr],\n&,g' | grep -A1 "^<td>${numerics% *} [13]" | grep -v '^--' | sed 's,</tr>.*,,' | tr '\n' ' ' | sed 's/ $//')"
is "and what it means" 1 "$(grep -c 'the same recipe gives other bits' "$CAIRN_LAB/reports/small/index.html")"
is "and so does registry why" "train-vae.seed: 0 -> 1
train-vae threads: 3 -> 1" "$("$BUILD/registry" why 4 2 2>/dev/null)"
refused "preprocess computes on no backend" 64 \
    "preprocess: '--threads' is not an option of preprocess, or lacks its value (see --help)" \
    "$BUILD/preprocess" $here/small.yaml --threads 2
for wrong in 0 1025; do
    refused "$wrong threads" 64 "train-vae: --threads '$wrong': a whole number from 1 to 1024 expected" \
        "$BUILD/train-vae" $here/small.yaml --threads $wrong
done

# ---- what make is told ----------------------------------------------------------------------------
# A make that shows its rules and runs nothing.
cat >"$tmp/make" <<'END'
#!/bin/sh
while [ "$1" != -f ]; do shift; done
cat "$2" >"$RULES"
exit 1
END
chmod +x "$tmp/make"
export RULES="$tmp/rules"
shared() { # MAKEFLAGS: do the rules share the processors?
    MAKE=$tmp/make MAKEFLAGS=$1 scripts/experiment "$BUILD" "$tmp/seeds.yaml" --lab "$tmp/lab-make" >"$tmp/out" 2>&1
    grep -q -- ' --threads ' "$RULES" && echo yes || echo no
}
is "-jN is understood as make passes it on" "no no yes yes yes" \
    "$(shared '') $(shared ' -j1') $(shared ' -j2 --jobserver-auth=3,4') $(shared 'k -j3 --jobserver-auth=3,4') $(shared 'ks -j12')"
is "-j alone is as many as there are processors" \
    "$([ "$(nproc)" -gt 1 ] && echo yes || echo no)" "$(shared ' -j')"
is "what is set is no flag" "no no" "$(shared ' -- set=a\ -j9') $(shared 'k -- set=-j9\ b')"

# ---- make itself ----------------------------------------------------------------------------------
if ! ${MAKE:-make} -q BUILD="$BUILD" all >/dev/null 2>&1; then
    skip "make -j2 experiment=" "'$BUILD' is older than its sources"
    done_testing
    exit
fi
CAIRN_LAB=$tmp/lab-two
env -u MAKEFLAGS ${MAKE:-make} -s -j2 BUILD="$BUILD" LAB="$CAIRN_LAB" DATA="$CAIRN_DATA" experiment="$tmp/seeds.yaml" >"$tmp/out" 2>&1
each=$(($(nproc) / 2))
is "make -j2 gives each program half of them" "$([ $each -gt 1 ] && echo $each || echo 1) 5" \
    "$(sql "SELECT DISTINCT substr(numerics, instr(numerics, ' threads ') + 9) FROM run WHERE numerics LIKE '% threads %'") $(
        sql "SELECT count(*) FROM run WHERE status = 'done' AND numerics LIKE '% threads %'")"
env -u MAKEFLAGS ${MAKE:-make} -s BUILD="$BUILD" LAB="$CAIRN_LAB" DATA="$CAIRN_DATA" experiment="$tmp/seeds.yaml" >"$tmp/out" 2>&1
is "and without -j nothing is left to run" 6 "$(sql 'SELECT count(*) FROM run')"
done_testing
