# A training that is killed at random moments and started again ends with the bytes of one that never
# was. CAIRN_KILLS: how often it is killed (5); CAIRN_KILL_SEED: which moments.
. tests/cli/lib.sh
kills=${CAIRN_KILLS:-5}
seed=${CAIRN_KILL_SEED:-$$}
echo "# killed $kills times, moments from CAIRN_KILL_SEED=$seed"

sed "s/epochs: 2, batch: 32/epochs: $((80 * kills)), batch: 32, checkpoint: {seconds: 0.02, share: 1}/
    s/epochs: 1, batch: 32/epochs: 60, batch: 32, checkpoint: {seconds: 0.02, share: 1}/" $here/small.yaml >"$tmp/long.yaml"
one_core="taskset -c $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" # a command, so that a signal meets the program
stage() { # PROGRAM: to its end; its artifact, or its status
    "$@" "$tmp/long.yaml" -q || echo "status $?"
}
newest_checkpoint() {
    find "$CAIRN_LAB/work" -name 'checkpoint-*.safetensors' | sed 's/.*-//; s/\..*//' | sort -n | tail -n 1
}
# interrupt SIGNAL STEP COMMAND...: the signal comes at a random moment after a checkpoint of that step;
# STEP 0: after the start of training. Leaves the status in $rc and stderr in $tmp/err.
interrupt() {
    signal=$1 step=$2
    shift 2
    : >"$tmp/err"
    # the shell has what it starts behind it ignore Ctrl-C
    env --default-signal=INT "$@" "$tmp/long.yaml" >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    # (a digit behind both: there may be no checkpoint yet)
    until grep -q 'steps of' "$tmp/err" && [ "$(newest_checkpoint)0" -ge "${step}0" ]; do
        kill -0 $pid 2>/dev/null || break
        sleep 0.01
    done
    [ "$step" -eq 0 ] || sleep "0.0$((step % 10))"
    kill "-$signal" $pid 2>/dev/null
    wait $pid 2>/dev/null
    rc=$?
}
# Random steps of the first two thirds, in order; what is left is for the orderly stops.
moments() { # COUNT STEPS
    awk -v seed="$seed" -v n="$1" -v steps="$2" \
        'BEGIN { srand(seed); for (i = 0; i < n; i++) print 1 + int(rand() * steps * 2 / 3) }' | sort -n
}

# ---- undisturbed ----------------------------------------------------------------------------------
stage "$BUILD/preprocess" >/dev/null
vae=$(stage "$BUILD/train-vae")
steps=$(sql "SELECT max(step) FROM metric WHERE name = 'train/loss'")
classifier=$(stage $one_core "$BUILD/train-classifier")

# ---- SIGKILL, many times --------------------------------------------------------------------------
CAIRN_LAB=$tmp/killed
stage "$BUILD/preprocess" >/dev/null
killed=0
for moment in $(moments "$kills" "$steps"); do
    interrupt KILL "$moment" "$BUILD/train-vae"
    [ $rc -eq 137 ] && killed=$((killed + 1))
done
is "a training was killed $kills times" "$kills" $killed
is "a killed run is shown as lost" "0 1" \
    "$("$BUILD"/registry ls train-vae | grep -c running) $("$BUILD"/registry ls train-vae | sed -n 3p | grep -c lost)"

# ---- orderly stops --------------------------------------------------------------------------------
for signal in TERM INT USR2; do
    interrupt $signal 0 "$BUILD/train-vae"
    is "SIG$signal ends a training with status 75" 75 $rc
    holds "and it says where, and how it goes on (SIG$signal)" grep -Eqx \
        'train-vae: stopped at step [0-9]+ of [0-9]+; run the same command to continue' "$tmp/err"
done
is "stopped is what the registry says of those" 3 "$(sql "SELECT count(*) FROM run WHERE status = 'stopped'")"

# ---- the same bytes -------------------------------------------------------------------------------
is "killed and stopped, and continued on one core: the same artifact" "$vae" \
    "$(stage $one_core "$BUILD/train-vae")"
is "one run is done and none still running" "1 0" \
    "$(sql "SELECT sum(status = 'done'), sum(status = 'running') FROM run WHERE stage = 'train-vae'" | tr '|' ' ')"
is "every killed run is lost" "$kills" "$(sql "SELECT count(*) FROM run WHERE status = 'lost'")"
is "each run went on where one before it was: an event with the step" 1 "$(sql "
    WITH resumed AS (SELECT run, detail ->> 'step' AS step FROM event WHERE kind = 'resumed')
    SELECT count(*) >= 4 AND min(step > 0) AND
        min(step >= coalesce((SELECT max(step) FROM resumed AS r WHERE r.run < resumed.run), 0)) FROM resumed")"
is "another number of cores changed no numerics" 0 "$(sql "SELECT count(*) FROM event WHERE kind = 'numerics'")"
is "no checkpoint is left" "" "$(ls "$CAIRN_LAB/work")"
sql "SELECT '# resumed at step ' || group_concat(detail ->> 'step', ' ') FROM event WHERE kind = 'resumed'"

interrupt KILL 100 $one_core "$BUILD/train-classifier"
is "a classifier in training is killed" 137 $rc
interrupt TERM 0 "$BUILD/train-classifier"
is "stopped by SIGTERM" 75 $rc
is "and continued on all cores: the same artifact" "$classifier" "$(stage "$BUILD/train-classifier")"
done_testing
