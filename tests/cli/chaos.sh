# Signals at random moments to every trainer at every level of the processor, and kills to every stage:
# the result is always that of a run that nothing happened to. CAIRN_CHAOS: how many signals of each
# kind a trainer gets at each level (1; `make chaos`: 100); twice as many kills. CAIRN_KILL_SEED: when.
. tests/cli/lib.sh
each=${CAIRN_CHAOS:-1}
seed=${CAIRN_KILL_SEED:-$$}
echo "# moments from CAIRN_KILL_SEED=$seed"
awk -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < 100000; i++) print int(1000 * rand()) }' >"$tmp/random"
exec 8<"$tmp/random"

start='' # what starts a stage
# threads: the smallest of models is slower with more, far slower on a busy machine
stage() { # NAME [OPTION ...]
    program=$1
    shift
    case $program in transfer-unet) set -- --threads 1 "$@" ;; train-*) set -- --threads 2 "$@" ;; esac
    exec $start "$BUILD/$program" $here/chaos.yaml "$@"
}
result() { (stage "$@" -q) || echo "status $?"; }
# interrupt SIGNAL MS STAGE...: the signal comes at a random moment of so many milliseconds. Leaves the
# status in $rc, what was printed in $tmp/out and $tmp/err.
interrupt() {
    signal=$1 most=$2
    : >"$tmp/err" # it may be ended before it opens it
    shift 2
    # the shell has what it starts behind it ignore Ctrl-C
    (start='env --default-signal=INT' && stage "$@") >"$tmp/out" 2>"$tmp/err" &
    read -r thousandths <&8
    ms=$((most * thousandths / 1000))
    sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
    kill "-$signal" $! 2>/dev/null
    wait $! 2>/dev/null
    rc=$?
}
fresh() { # LAB: as it was
    rm -rf "$CAIRN_LAB"
    cp -r "$1" "$CAIRN_LAB"
}
clock_ms() { echo $(($(date +%s%N) / 1000000)); }
# One step of a lab that was never disturbed: its result in $want, its time in $took.
undisturbed() {
    begun=$(clock_ms)
    want=$(result "$@")
    took=$(($(clock_ms) - begun))
}
wrong() { echo "$*" >>"$tmp/bad"; }
expect_result() { [ "$1" = "$want" ] || wrong "got '$1', expected '$want'"; }
expect_orderly() {
    left=$(sql "SELECT status, count(*) FROM run WHERE status NOT IN ('done', 'stopped') GROUP BY 1")
    [ -z "$left" ] || wrong "runs are '$left'"
}

# ---- orderly stops --------------------------------------------------------------------------------
# After a signal: stopped in order, ended meanwhile, or not yet begun (no program can block signals
# before its first instruction).
judge() {
    case $rc in
    75) stopped=$((stopped + 1)) ;;
    0)
        ended=$((ended + 1))
        expect_result "$(cat "$tmp/out")"
        expect_orderly
        fresh "$tmp/data"
        ;;
    130 | 140 | 143)
        early=$((early + 1))
        [ ! -s "$tmp/err" ] || wrong "$signal ended it with $rc: $(tail -n 1 "$tmp/err")"
        ;;
    *) wrong "$signal ended it with $rc: $(tail -n 1 "$tmp/err")" ;;
    esac
}
signals() { # TRAINER
    CAIRN_LAB=$tmp/whole
    fresh "$tmp/data"
    undisturbed "$1"
    if [ -e "$tmp/profiler.so" ]; then
        fresh "$tmp/data"
        is "$1, $CAIRN_ISA: a profiler's timer changes nothing" "$want" \
            "$(LD_PRELOAD=$tmp/profiler.so result "$1" 2>"$tmp/err")"
    fi
    CAIRN_LAB=$tmp/stopped
    fresh "$tmp/data"
    stopped=0 ended=0 early=0
    : >"$tmp/bad"
    for _ in $(seq "$each"); do
        for kind in INT TERM USR2; do
            # short enough that several fit into one training
            interrupt $kind $((took / 2)) "$1"
            judge
        done
    done
    expect_result "$(result "$1")"
    expect_orderly
    echo "# $1, $CAIRN_ISA: $stopped stopped in order, $ended at their end, $early not begun"
    is "$1, $CAIRN_ISA: any of $((3 * each)) signals is obeyed, and the result is the same" "" \
        "$(sort "$tmp/bad" | uniq -c | head -n 4)"
}

export ASAN_OPTIONS=verify_asan_link_order=0 # where the programs are built with it
${CC:-cc} -shared -fPIC -o "$tmp/profiler.so" tests/faults/profiler.c 2>"$tmp/err" ||
    skip "a profiler's timer" "no C compiler"
CAIRN_LAB=$tmp/data
for section in preprocess preprocess@small; do result preprocess --section $section >/dev/null; done
for CAIRN_ISA in v2 v3 v4; do
    export CAIRN_ISA
    CAIRN_LAB=$tmp/level
    fresh "$tmp/data"
    case $(result train-classifier --set train-classifier.train.epochs=1 2>/dev/null) in
    "status 78") skip "signals at level $CAIRN_ISA" "this processor is below it" ;;
    *) for trainer in train-classifier train-vae transfer-unet; do signals $trainer; done ;;
    esac
done
unset CAIRN_ISA

# ---- kills ----------------------------------------------------------------------------------------
places="preprocess preprocess@small train-classifier train-vae transfer-unet evaluate@images evaluate@masks"
at() { echo "${1%@*} --section $1"; } # a place's stage and section
CAIRN_LAB=$tmp/whole
rm -rf "$CAIRN_LAB"
for place in $places; do
    # shellcheck disable=SC2046
    undisturbed $(at "$place")
    echo "$place $want $took" >>"$tmp/wanted"
done
CAIRN_LAB=$tmp/killed
killed=0 rounds=0
: >"$tmp/bad"
while [ $killed -lt $((2 * each)) ] || [ $rounds -eq 0 ]; do
    rm -rf "$CAIRN_LAB"
    rounds=$((rounds + 1))
    while read -r place want took <&7; do
        # shellcheck disable=SC2046
        interrupt KILL "$took" $(at "$place")
        case $rc in
        0) ;;
        137) killed=$((killed + 1)) ;;
        *) wrong "$place: status $rc: $(cat "$tmp/err")" ;;
        esac
        # shellcheck disable=SC2046
        expect_result "$(result $(at "$place"))"
    done 7<"$tmp/wanted"
    left=$(sql "SELECT stage, status FROM run WHERE status NOT IN ('done', 'lost')
        UNION ALL SELECT 'done', count(*) FROM run WHERE status = 'done' HAVING count(*) != 7")
    [ -z "$left" ] || wrong "runs: $left"
    [ -z "$(damaged)" ] || wrong "damaged: $(damaged)"
    [ -z "$(ls "$CAIRN_LAB/work")" ] || wrong "left in work/: $(ls "$CAIRN_LAB/work")"
done
echo "# $killed of $((7 * rounds)) were killed before they had ended"
is "any stage may be killed at any moment: the results are the same" "" "$(sort "$tmp/bad" | uniq -c | head -n 4)"
done_testing
