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
echo "# known: a stage in ${stage:-?} ms, make experiment= in ${whole:-?} ms (medians of $rounds)"
done_testing
