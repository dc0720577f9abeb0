# One lab, several machines and processes: who waits for whom, for how long, and what they say.
. tests/cli/lib.sh

# ---- an owner that nobody can look at -------------------------------------------------------------
CAIRN_LAB="$tmp/it's a lab"
"$BUILD/preprocess" $here/small.yaml -q >/dev/null
train() { timeout 60 "$BUILD/train-vae" $here/small.yaml -q --set train-vae.train.epochs=4000; }
until_run() { # N PID: until there is a run of that number, or that process is gone
    until [ -n "$(sql "SELECT id FROM run WHERE id = $1")" ] || ! kill -0 "$2" 2>/dev/null; do sleep 0.05; done
}
train >"$tmp/out" 2>&1 &
until_run 2 $!
kill $!
wait $! 2>/dev/null
# as a machine that is gone has left it
sql "UPDATE run SET status = 'running', owner_host = 'gone', owner_boot = 'x', owner_pid = 7 WHERE id = 2"
train >"$tmp/out" 2>"$tmp/err" &
pid=$!
until [ -s "$tmp/err" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
is "also who wants to hear nothing is told what keeps the run, once" \
    "waiting for run 2 of process 7 on 'gone', which has the same recipe; whether it is alive cannot be determined from here. If it is gone: '$(realpath "$BUILD")/registry' release 2 --lab '$tmp/it'\\''s a lab'" \
    "$(cat "$tmp/err")"
(unset CAIRN_LAB && cd / && sh -c "$(sed 's/.*If it is gone: //' "$tmp/err")")
is "and the command that it names, anywhere, lets it go on" "lost" "$(sql "SELECT status FROM run WHERE id = 2")"
until_run 3 $pid
kill $pid
wait $pid 2>/dev/null
is "as a run of its own" 3 "$(sql "SELECT max(id) FROM run")"

# ---- a registry that another process holds --------------------------------------------------------
CAIRN_LAB=$tmp/lab
scripts/experiment "$BUILD" $here/small.yaml -q >/dev/null 2>&1
sed 's/epochs: 2,/epochs: 3,/' $here/small.yaml >"$tmp/other.yaml"
"$BUILD/ablate" plan "$tmp/other.yaml" >"$tmp/plan"
sql "UPDATE run SET status = 'stopped' WHERE stage <> 'preprocess'"
for recipe in $(sql "SELECT recipe FROM run WHERE status = 'stopped'"); do mkdir "$CAIRN_LAB/work/$recipe"; done
"$BUILD/ablate" plan $here/small.yaml >"$tmp/plan"
mkfifo "$tmp/held"
sqlite3 "$CAIRN_LAB/registry.db" >"$tmp/locked" <"$tmp/held" &
exec 7>"$tmp/held"
echo "BEGIN IMMEDIATE; SELECT 'held';" >&7
until [ -s "$tmp/locked" ]; do sleep 0.05; done
is "a plan that changes nothing needs no lock, however many trainings have stopped half-way" "3 0" \
    "$(ls "$CAIRN_LAB/work" | wc -l) $(timeout 25 "$BUILD/ablate" plan $here/small.yaml >"$tmp/again"; echo $?)"
is "and is the same" "$(cat "$tmp/plan")" "$(cat "$tmp/again")"
report=$(timeout 25 "$BUILD/report" "$tmp/other.yaml" 2>"$tmp/err")
is "a report is read and written all the same" "$CAIRN_LAB/reports/small/index.html yes" \
    "$report $([ -s "$report" ] && echo yes)"
sed 's/name: small/name: third/' $here/small.yaml >"$tmp/third.yaml"
timeout 25 "$BUILD/report" "$tmp/third.yaml" >/dev/null 2>"$tmp/err"
is "and says what it could not record" \
    "cannot record what the cells resolve to: registry '$CAIRN_LAB/registry.db' is busy: another process holds it" \
    "$(cat "$tmp/err")"
exec 7>&-
wait
"$BUILD/report" "$tmp/third.yaml" >/dev/null 2>&1
is "which it does as soon as it can" 4 "$(sql "SELECT count(*) FROM cell WHERE experiment = 'third'")"
done_testing
