# A signal ends a stage in order wherever it is: while it waits for another, and while it evaluates.
# What a kill leaves is tidied up by whatever runs next.
. tests/cli/lib.sh
long="$here/small.yaml --set train-vae.train.epochs=1000000"
# when "TEXT" FILE: waits until it says so (20 s)
when() {
    for _ in $(seq 400); do
        grep -q "$1" "$2" && return
        sleep 0.05
    done
}
ended() { # PID: leaves its status in $rc
    wait "$1" 2>/dev/null
    rc=$?
}

"$BUILD/preprocess" $here/small.yaml -q >/dev/null
"$BUILD/train-vae" $long >/dev/null 2>"$tmp/first" &
first=$!
when 'steps of' "$tmp/first"
"$BUILD/train-vae" $long >"$tmp/second.out" 2>"$tmp/second" &
second=$!
when '^waiting for run 2 ' "$tmp/second"
kill -TERM $second
ended $second
is "SIGTERM ends a wait for another's run with status 75" 75 $rc
is "and it says so" "train-vae: stopped while waiting for run 2" "$(tail -n 1 "$tmp/second")"
is "which leaves the other's run as it was, and none of its own" "2|running" \
    "$(sql "SELECT id, status FROM run WHERE stage = 'train-vae'")"
kill -TERM $first
ended $first
is "the other stops, too" "75 stopped" "$rc $(sql 'SELECT status FROM run WHERE id = 2')"

for stage in train-vae train-classifier; do "$BUILD/$stage" $here/small.yaml -q >/dev/null; done
# a million samples a case: minutes
before=$(find "$CAIRN_LAB/objects" -type f | wc -l)
"$BUILD/evaluate" $here/small.yaml --set evaluate.importance_samples=1000000 >"$tmp/evaluate.out" 2>"$tmp/evaluate" &
pid=$!
for _ in $(seq 400); do
    [ "$(sql "SELECT count(*) FROM run WHERE stage = 'evaluate'")" = 1 ] && break
    sleep 0.05
done
sleep 0.2
kill -TERM $pid
ended $pid
is "SIGTERM ends an evaluation with status 75" 75 $rc
is "and one line" "evaluate: stopped; run the same command to start over" "$(cat "$tmp/evaluate")"
is "stopped is what the registry says" stopped "$(sql "SELECT status FROM run WHERE stage = 'evaluate'")"
is "nothing of it is left but the recipe's text" "1 0" \
    "$(($(find "$CAIRN_LAB/objects" -type f | wc -l) - before)) $(find "$CAIRN_LAB/work" -type f | grep -vc checkpoint)"

# ---- preprocess, and waits ------------------------------------------------------------------------
(CAIRN_LAB=$tmp/drawn exec env --default-signal=INT "$BUILD/preprocess" $here/small.yaml --set preprocess.source.train=1000000 \
    --set preprocess.source.size=40 >"$tmp/out" 2>"$tmp/err") &
pid=$!
for _ in $(seq 400); do
    [ -e "$tmp/drawn/registry.db" ] && [ "$(CAIRN_LAB=$tmp/drawn sql "SELECT count(*) FROM run")" = 1 ] && break
    sleep 0.05
done
kill -INT $pid
ended $pid
is "Ctrl-C ends preprocess with status 75" 75 $rc
is "and one line" "preprocess: stopped; run the same command to start over" "$(cat "$tmp/err")"
is "stopped is what the registry says, and nothing is left" stopped "$(
    CAIRN_LAB=$tmp/drawn
    sql "SELECT status FROM run"
    leftovers
)"
nohup "$BUILD/train-vae" $long --set train-vae.train.lr=0.003 >/dev/null 2>"$tmp/first" &
pid=$!
when 'steps of' "$tmp/first"
kill -HUP $pid
sleep 0.2
is "what nohup protects goes on when the terminal is closed" running \
    "$(sql "SELECT status FROM run WHERE config LIKE '%lr=0.003%'")"
kill -TERM $pid
ended $pid
is "until it is told to stop" "75 stopped" "$rc $(sql "SELECT status FROM run WHERE config LIKE '%lr=0.003%'")"
mkfifo "$tmp/hold"
sqlite3 "$CAIRN_LAB/registry.db" <"$tmp/hold" &
holder=$!
exec 3>"$tmp/hold"
echo 'BEGIN IMMEDIATE;' >&3
until ! sqlite3 "$CAIRN_LAB/registry.db" 'BEGIN IMMEDIATE; COMMIT' 2>/dev/null; do sleep 0.01; done
"$BUILD/train-vae" $here/small.yaml -q --set train-vae.train.lr=0.004 >/dev/null 2>"$tmp/err" &
pid=$!
sleep 0.5
kill -TERM $pid
(sleep 10 && kill $holder) 2>/dev/null &
ended $pid
is "a wait for the registry is ended, too" "75 train-vae: stopped while waiting for registry '$CAIRN_LAB/registry.db'" \
    "$rc $(cat "$tmp/err")"
exec 3>&-

# ---- killed ---------------------------------------------------------------------------------------
killed() { # a training
    "$BUILD/train-vae" $long >/dev/null 2>"$tmp/first" &
    first=$!
    when 'steps of' "$tmp/first"
    kill -KILL $first
    ended $first
}
status_of() { sql "SELECT status FROM run WHERE id = (SELECT max(id) FROM run WHERE config LIKE '%epochs=1000000%')"; }
killed
is "a killed run cannot say so" running "$(status_of)"
"$BUILD/train-classifier" $here/small.yaml -q --set train-classifier.train.lr=0.002 >/dev/null
is "but the next run, of another recipe, does" lost "$(status_of)"
killed
"$BUILD/ablate" plan $here/small.yaml >/dev/null
is "and so does the next plan" lost "$(status_of)"
done=$CAIRN_LAB/work/$(sql "SELECT recipe FROM run WHERE stage = 'train-classifier' AND status = 'done' LIMIT 1")
mkdir "$done"
: >"$done/checkpoint-1.safetensors"
"$BUILD/ablate" plan $here/small.yaml >/dev/null
is "the folder of a run that was killed after its commit goes" "no yes" \
    "$([ -e "$done" ] && echo yes || echo no) $([ -n "$(ls "$CAIRN_LAB/work")" ] && echo yes)"
done_testing
