# How long it takes to say that all is known. The bounds leave room for a busy machine; what was
# measured is printed as a comment. CAIRN_ROUNDS: how often each is timed (21).
. tests/cli/lib.sh
rounds=${CAIRN_ROUNDS:-21}

# median_ms COMMAND...: its stdout goes to $tmp/said
median_ms() {
    round=0
    : >"$tmp/times"
    while [ $round -lt "$rounds" ]; do
        begin=$(date +%s%N)
        "$@" >"$tmp/said" 2>"$tmp/err" || return
        echo $((($(date +%s%N) - begin) / 1000000)) >>"$tmp/times"
        round=$((round + 1))
    done
    sort -n "$tmp/times" | sed -n "$(((rounds + 1) / 2))p"
}
experiment() { ${MAKE:-make} -s BUILD="$BUILD" LAB="$CAIRN_LAB" DATA="$CAIRN_DATA" experiment=$here/small.yaml; }

if ! ${MAKE:-make} -q BUILD="$BUILD" all >/dev/null 2>&1; then # it would be built with other flags, and timed
    skip "how long a known experiment takes" "'$BUILD' is older than its sources"
    done_testing
    exit
fi
report=$(experiment 2>"$tmp/err")
is "an experiment runs once" "$CAIRN_LAB/reports/small/index.html 4" "$report $(sql 'SELECT count(*) FROM run')"

stage=$(median_ms "$BUILD/train-vae" $here/small.yaml)
is "a known stage says so within 500 ms" "$(sql "SELECT artifact FROM run_output JOIN run ON id = run
    WHERE stage = 'train-vae'") yes" "$(cat "$tmp/said") $([ "${stage:-9999}" -le 500 ] && echo yes)"
whole=$(median_ms experiment)
is "a known experiment within 3 s, make's look at the sources included" "$report yes" \
    "$(cat "$tmp/said") $([ "${whole:-9999}" -le 3000 ] && echo yes)"
is "and nothing ran for it" 4 "$(sql 'SELECT count(*) FROM run')"
is "what is known asks for no processor, what computes does" "$("$BUILD/train-vae" $here/small.yaml) 78" \
    "$(CAIRN_ISA=v9 "$BUILD/train-vae" $here/small.yaml) $(CAIRN_ISA=v9 "$BUILD/train-vae" \
        $here/small.yaml --again >/dev/null 2>&1; echo $?)"

# ---- many files, many cells -----------------------------------------------------------------------
# Names alone: a plan hashes what it does not know, and decodes nothing.
CAIRN_DATA=$tmp/data CAIRN_LAB=$tmp/lab-files
mkdir -p "$tmp/data/pictures/images"
(cd "$tmp/data/pictures/images" && seq 600 | split -l 1 -a 3 -d --additional-suffix=.png - "")
cp -r "$tmp/data/pictures/images" "$tmp/data/pictures/masks"
(cd "$tmp/data/pictures/images" && ls | sed 's/\.png$//') >"$tmp/names"
sed -n '1,400p' "$tmp/names" >"$tmp/data/pictures/train.txt"
sed -n '401,402p' "$tmp/names" >"$tmp/data/pictures/val.txt"
sed -n '403,$p' "$tmp/names" >"$tmp/data/pictures/test.txt"
find "$tmp/data" -type f -exec touch -d '1 hour ago' {} +
sleep 2 # a file's change is news for so long, and news is not kept
cat >"$tmp/files.yaml" <<'END'
name: files
seeds: 3
preprocess: {source: {format: folder, root: pictures}}
transfer-unet: {loss: {bce: {}}}
evaluate: {}
vary:
  transfer-unet.train.lr: [0.1, 0.2, 0.3, 0.4]
  preprocess.size: [[32, 32], [64, 64]]
END
is "a plan of 24 cells over 1200 files" "files: 50 to run, 0 known" \
    "$("$BUILD/ablate" plan "$tmp/files.yaml" | sed -n 's/^# plan of //p')"
files=$(median_ms "$BUILD/ablate" plan "$tmp/files.yaml")
is "again within 500 ms" yes "$([ "${files:-9999}" -le 500 ] && echo yes)"
# Seconds of the processor, which no load on the machine makes more: a plan that looked at each cell
# for each cell would take a hundred.
{
    printf 'name: grid\nseeds: 10\npreprocess: {source: {format: shapes}}\ntrain-vae: {}\nevaluate: {metrics: [mse]}\n'
    printf 'vary:\n  train-vae.train.lr: [0.5'
    seq 2 1000 | sed 's/.*/, &e-4/' | tr -d '\n'
    printf ']\n'
} >"$tmp/cells.yaml"
is "10,000 cells are planned in seconds" "grid: 20001 to run, 0 known" \
    "$(ulimit -t 15 && "$BUILD/ablate" plan "$tmp/cells.yaml" | sed -n 's/^# plan of //p')"
echo "# known: 1200 files in 24 cells in ${files:-?} ms"
echo "# known: a stage in ${stage:-?} ms, make experiment= in ${whole:-?} ms (medians of $rounds)"
done_testing
