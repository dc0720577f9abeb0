# The whole trail on a small experiment: same bytes twice, nothing computed twice, every change seen.
. tests/cli/lib.sh

trail() { scripts/experiment "$BUILD" "$1" --lab "$CAIRN_LAB" --data "$CAIRN_DATA" -q 2>"$tmp/err"; }
runs() { sql "SELECT count(*) FROM run WHERE stage LIKE '${1:-%}'"; }

report=$(trail $here/small.yaml)
is "an experiment runs and prints where its report is" "$CAIRN_LAB/reports/small/index.html" "$report"
holds "the report is there" test -s "$report"
is "each stage ran once" "evaluate
preprocess
train-classifier
train-vae" "$(sql 'SELECT stage FROM run ORDER BY 1')"
first=$(artifacts)
is "and recorded the most memory that its process had: some megabytes" 4 "$(sql "
    SELECT count(*) FROM metric WHERE name = 'stage/peak_resident_bytes' AND step IS -1 AND value BETWEEN 2e6 AND 2e9")"

trail $here/small.yaml >/dev/null
is "the same command runs nothing" 4 "$(runs)"

page=$(sha256sum <"$report")
for damage in 'rm' 'truncate -s 0' 'truncate -s -1'; do
    $damage "$report"
    trail $here/small.yaml >/dev/null
    is "a report is written again after: $damage" "$page" "$(sha256sum <"$report")"
done
picture=${report%/*}/wrong-label-5x5.png
for damage in 'rm' 'truncate -s 0'; do
    $damage "$picture"
    trail $here/small.yaml >/dev/null
    holds "also one whose picture was lost: $damage" test -s "$picture"
done
touch "${report%/*}/notes"
trail $here/small.yaml >/dev/null
holds "what else is in the folder does not matter" test -e "${report%/*}/notes"
mkdir "$tmp/bin"
printf '#!/bin/sh\nexit 3\n' >"$tmp/bin/gnuplot"
chmod +x "$tmp/bin/gnuplot"
rm "$report"
PATH=$tmp/bin:$PATH trail $here/small.yaml >/dev/null
is "where gnuplot fails, the page is written without plots, which is said" \
    "yes report: the page has no plots: gnuplot failed: no reason given" \
    "$(grep -q 'No plot: gnuplot failed: no reason given' "$report" && echo yes) $(grep ^report "$tmp/err")"
trail $here/small.yaml >/dev/null
is "and with them as soon as it works" "$page" "$(sha256sum <"$report")"
sed 's/^# A trail.*/# Is the question in the report?/' $here/small.yaml >"$tmp/question.yaml"
trail "$tmp/question.yaml" >/dev/null
is "another question is a new report, and no run" "yes 4" \
    "$(grep -q 'Is the question in the report' "$report" && echo yes) $(runs)"

bad=0
for object in $(find "$CAIRN_LAB/objects" -type f); do
    name=$(basename "$(dirname "$object")")$(basename "$object")
    [ "$(sha256sum <"$object" | cut -d' ' -f1)" = "$name" ] || bad=$((bad + 1))
done
is "sha256sum of every object gives its name" 0 $bad

CAIRN_LAB=$tmp/lab2
export CAIRN_LAB
trail $here/small.yaml >/dev/null
is "another lab ends with the same artifacts" "$first" "$(artifacts)"

{
    echo '# another comment'
    sed 's/split: {val: 40}/split: {seed: 0, val: 40}/; s/epochs: 2, batch: 32/batch: 32, lr: 0.001, epochs: 2/' $here/small.yaml
} >"$tmp/neutral.yaml"
trail "$tmp/neutral.yaml" >/dev/null
is "a comment, another order and a spelled-out default run nothing" 4 "$(runs)"

sed 's/epochs: 2, batch: 32/epochs: 2, batch: 32, lr: 2.0e-3/' $here/small.yaml >"$tmp/lr.yaml"
trail "$tmp/lr.yaml" >/dev/null
is "another rate runs training again" 2 "$(runs train-vae)"
is "and what follows" 2 "$(runs evaluate)"
is "and nothing before" "1 1" "$(runs preprocess) $(runs train-classifier)"
run=$(sql "SELECT max(id) FROM run WHERE stage = 'evaluate'")
# (two stages side by side, under make -j2, have fewer threads each than one has)
is "registry why names that key and nothing else" "train-vae.train.lr: 0.001 -> 0.002" \
    "$("$BUILD"/registry why "$run" 2>/dev/null | grep -v ' threads: ')"


CAIRN_LAB=$tmp/lab3
scripts/experiment "$BUILD" $here/small.yaml --set train-vae.train.epochs=1 -q >/dev/null 2>&1
refused "a table of another plan than the lab's is not empty, but refused" 66 \
    "ablate: nothing of 'small' as this file says it is in lab '$tmp/lab3': its latest plan there was another one (--set?)" \
    "$BUILD"/ablate table $here/small.yaml
holds "with the same --set it is there" sh -c \
    "'$BUILD'/ablate table $here/small.yaml --set train-vae.train.epochs=1 | grep -q '^test/psnr'"
refused "nor is that of an experiment that was never planned" 66 "ablate: nothing of 'other' is in lab '$tmp/lab3' yet" \
    "$BUILD"/ablate table $here/small.yaml --set name=other
CAIRN_LAB=$tmp/lab2

"$BUILD"/train-vae "$tmp/lr.yaml" --again -q >"$tmp/again" 2>&1
is "run again, a known stage gives the same artifact" 0 $?
is "a stage alone prints its artifact" \
    "$(sql "SELECT artifact FROM run_output WHERE run = (SELECT max(id) FROM run WHERE stage = 'train-vae' AND status = 'done')")" \
    "$("$BUILD"/train-vae "$tmp/lr.yaml")"

sed 's/^name: small/name: small\nseeds: 2/' $here/small.yaml >"$tmp/seeds.yaml"
before=$(runs)
trail "$tmp/seeds.yaml" >/dev/null
is "a second seed runs that seed's training and evaluation alone" 2 $(($(runs) - before))
echo "1..$count"
