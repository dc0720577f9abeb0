# A signal to what makes an experiment, at the top or to all of it as a terminal sends Ctrl-C: the stages
# stop in order, nothing runs on, no file is left, and half a plan is none.
. tests/cli/lib.sh
export TMPDIR="$tmp/files"
mkdir "$TMPDIR"
long="$here/small.yaml --set train-vae.train.epochs=1000000"
begin() { # COMMAND...: in a group of its own, until it trains
    rm -rf "$CAIRN_LAB"
    : >"$tmp/err" # before what is begun does so: the line below is not to be an earlier one's
    setsid env --default-signal=HUP,INT,QUIT "$@" >"$tmp/out" 2>"$tmp/err" &
    top=$!
    for _ in $(seq 1200); do
        grep -q '^train-vae: .* steps of' "$tmp/err" && break
        sleep 0.05
    done
}
ended() { # KILL'S ARGUMENTS: and how it ended
    kill "$@"
    wait $top 2>/dev/null
    rc=$?
    runs=$(sql "SELECT status FROM run WHERE stage = 'train-vae'")
    # whoever has a file of the lab open, or its place in a command line
    alive=$(pgrep -f "$CAIRN_LAB" | grep -vx $$)
}
experiment() { begin scripts/experiment "$BUILD" "$@" --lab "$CAIRN_LAB"; }
made() { begin make -f "$tmp/Makefile" top; }
cat >"$tmp/Makefile" <<EOF
top:
	+@scripts/experiment '$BUILD' $long --lab '$CAIRN_LAB'
EOF

# shellcheck disable=SC2086
{
    experiment $long
    ended -TERM $top
    is "SIGTERM to the script alone" "143 stopped " "$rc $runs $alive"
    is "and the stage says where it goes on" 1 "$(grep -c '^train-vae: stopped at step .* to continue$' "$tmp/err")"
    is "no report is made" no "$([ -e "$CAIRN_LAB/reports" ] && echo yes || echo no)"
    experiment $long
    ended -INT -$top
    is "Ctrl-C to all" "130 stopped " "$rc $runs $alive"
    experiment $long
    ended -HUP $top
    is "a closed terminal" "129 stopped " "$rc $runs $alive"
    experiment $long
    ended -USR2 $top
    is "a scheduler's signal to the script alone" "140 stopped " "$rc $runs $alive"
}
made
ended -TERM $top
is "SIGTERM to make above it" "143 stopped " "$rc $runs $alive"
made
ended -INT -$top
is "Ctrl-C to make and all" "130 stopped " "$rc $runs $alive"
is "no file is left by any of them" "" "$(ls -A "$TMPDIR")"

# ---- the report -----------------------------------------------------------------------------------
rm -rf "$CAIRN_LAB"
scripts/experiment "$BUILD" $here/small.yaml -q >/dev/null 2>&1
rm -r "$CAIRN_LAB/reports"
mkdir "$tmp/slow"
ln -s "$(realpath "$BUILD/ablate")" "$tmp/slow/ablate"
printf '#!/bin/sh\n: >"%s"\nexec sleep 600\n' "$tmp/begun" >"$tmp/slow/report"
chmod +x "$tmp/slow/report"
setsid scripts/experiment "$tmp/slow" $here/small.yaml -q >/dev/null 2>&1 &
top=$!
for _ in $(seq 1200); do
    [ -e "$tmp/begun" ] && break
    sleep 0.05
done
kill -TERM $top
wait $top 2>/dev/null
is "SIGTERM while the report is made" "143 " "$? $(pgrep -g $top)"

# ---- plans ----------------------------------------------------------------------------------------
mkdir "$tmp/half"
printf '#!/bin/sh\n"%s" plan "$2" | head -n 8\n' "$(realpath "$BUILD/ablate")" >"$tmp/half/ablate"
chmod +x "$tmp/half/ablate"
rm -rf "$CAIRN_LAB"
refused "half a plan is not run" 74 "experiment: '$tmp/half/ablate plan' gave half a plan" \
    scripts/experiment "$tmp/half" $here/small.yaml
is "not even its first stage" 0 "$(sql 'SELECT count(*) FROM run')"
is "a full TMPDIR is in nobody's way" "$CAIRN_LAB/reports/small/index.html
4" "$(
    TMPDIR=/dev/full scripts/experiment "$BUILD" $here/small.yaml -q 2>"$tmp/err"
    sql "SELECT count(*) FROM run WHERE status = 'done'"
)"
done_testing
