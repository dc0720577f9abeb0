# Whole programs with a system call that fails, or that is the last before a kill: whatever came of it,
# the same command again ends with the same artifact. CAIRN_FAULT_STEP: every how manieth call (3).
. tests/cli/lib.sh
step=${CAIRN_FAULT_STEP:-3}

if ! ${CC:-cc} -shared -fPIC -o "$tmp/faults.so" tests/faults/faults.c -ldl 2>"$tmp/err"; then
    skip "failing system calls" "no C compiler"
    done_testing
    exit
fi
export ASAN_OPTIONS=verify_asan_link_order=0 # where the programs are built with it
sed 's/epochs: 2, batch: 32/epochs: 2, batch: 32, checkpoint: {seconds: 0, share: 1}/' $here/small.yaml >"$tmp/faults.yaml"

faulty() { # CALL KIND PROGRAM: leaves its status in $rc
    rm -f "$tmp/log"
    FAULT_UNDER=$CAIRN_LAB FAULT_AT=$1 FAULT_DO=$2 FAULT_LOG=$tmp/log LD_PRELOAD=$tmp/faults.so \
        "$BUILD/$3" "$tmp/faults.yaml" -q >"$tmp/out" 2>"$tmp/err"
    rc=$?
}
wrong() { echo "$call $kind, $(cut -d' ' -f2 "$tmp/log"): $*" >>"$tmp/bad"; }
check_fault() {
    case $kind,$rc in
    *,0) [ "$(cat "$tmp/out")" = "$artifact" ] || wrong "another artifact" ;;
    kill,137 | torn,137) ;;
    eio,74 | full,74) [ "$(wc -l <"$tmp/err")" -eq 1 ] || wrong "not one line: $(cat "$tmp/err")" ;;
    *) wrong "status $rc: $(cat "$tmp/err")" ;;
    esac
}
check_again() { # PROGRAM
    again=$("$BUILD/$1" "$tmp/faults.yaml" -q --json 2>"$tmp/err")
    case $again in *"\": \"$artifact\"}}") ;; *) wrong "again: $again$(cat "$tmp/err")" ;; esac
    runs=$(sql "SELECT sum(status = 'done') || ' ' || sum(status = 'running') FROM run WHERE stage = '$1'")
    [ "$runs" = "1 0" ] || wrong "done and running runs: $runs"
    [ -z "$(damaged)" ] || wrong "damaged objects"
    # where the fault came after the commit, the next plan or run of anything tidies up
    case $again in *'"known": true'*) "$BUILD/ablate" plan "$tmp/faults.yaml" >/dev/null ;; esac
    [ -z "$(ls "$CAIRN_LAB/work")" ] || wrong "left in work/: $(ls "$CAIRN_LAB/work")"
}
# sweep PROGRAM STEP LAB: every STEP-th call in a copy of LAB, the kinds of fault in turn
sweep() {
    : >"$tmp/bad"
    tried=0 call=1 kind=kill
    while
        CAIRN_LAB=$tmp/faulty
        rm -rf "$CAIRN_LAB"
        [ -d "$3" ] && cp -r "$3" "$CAIRN_LAB"
        faulty $call $kind "$1"
        [ -s "$tmp/log" ]
    do
        check_fault
        check_again "$1"
        tried=$((tried + 1)) call=$((call + $2))
        case $kind in
        kill) kind=eio ;;
        eio) kind=torn ;;
        torn) kind=full ;;
        full) kind='kill' ;;
        esac
    done
    echo "# $1: $tried faults in $call calls"
    is "$1: after any fault the same command gives the same artifact" "" "$(head -n 4 "$tmp/bad")"
    is "$1: faults were met" yes "$([ $tried -ge 10 ] && echo yes || echo "no, $tried")"
}

artifact=$("$BUILD/preprocess" "$tmp/faults.yaml" -q)
cp -r "$CAIRN_LAB" "$tmp/with-dataset"
sweep preprocess "$step" "$tmp/none"
CAIRN_LAB=$tmp/lab
artifact=$("$BUILD/train-vae" "$tmp/faults.yaml" -q)
sweep train-vae $((step * 8)) "$tmp/with-dataset"
done_testing
