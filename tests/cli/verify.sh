# Bits that change on disk, and looks at the disk that fail: nothing changed is used, what was made is
# not made again, and what is wrong is named. CAIRN_LOOK_STEP: every how manieth look fails (7).
. tests/cli/lib.sh
step=${CAIRN_LOOK_STEP:-7}
yaml=$here/small.yaml
stage() { # PROGRAM [OPTION ...]: its artifact, or its status
    program=$1
    shift
    "$BUILD/$program" "$yaml" -q "$@" 2>"$tmp/err" || echo "status $?"
}
file_in() { # ARTIFACT NAME: the path of its object
    hash=$(sed -n "s/^\([0-9a-f]*\) [0-9]* $2\$/\1/p" "$CAIRN_LAB/objects/$(echo "$1" | cut -c1-2)/$(echo "$1" | cut -c3-)")
    echo "$CAIRN_LAB/objects/$(echo "$hash" | cut -c1-2)/$(echo "$hash" | cut -c3-)"
}
flip() { # PATH OFFSET: its lowest bit, and the file looks as it did
    cp -p "$1" "$tmp/kept"
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    chmod u+w "$1"
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
    touch -r "$tmp/kept" "$1"
    chmod u-w "$1"
}
restore() { cp -pf "$tmp/kept" "$1"; }
runs() { sql "SELECT count(*) FROM run WHERE status = 'done'"; }

data=$(stage preprocess)
judge=$(stage train-classifier)
model=$(stage train-vae)
result=$(stage evaluate)
"$BUILD/ablate" plan "$yaml" >/dev/null # the cells
is "a sound lab" "0 sound: 21 objects, 4 runs" "$("$BUILD/registry" verify --all >"$tmp/out" 2>&1; echo "$? $(cat "$tmp/out")")"

# ---- a bit of what an evaluation reads ------------------------------------------------------------
for victim in "$model weights.safetensors" "$judge weights.safetensors" "$data dataset.safetensors" "$data cases.json" "$model model.txt"; do
    # shellcheck disable=SC2086
    path=$(file_in $victim) artifact=${victim%% *} name=${victim#* }
    flip "$path" $(($(wc -c <"$path") - 9))
    is "a bit of $name: evaluate does not use it" "status 65 4" "$(stage evaluate --again) $(runs)"
    is "and says what it is, what it touches, what to do" 1 "$(grep -c "^evaluate: .*object '$path' is damaged: '$name' of artifact '$(
        echo "$artifact" | cut -c1-16)', made by run [0-9]* (.*), of cell small/default/0 (.*); remove it (rm -f) and run the experiment again$" "$tmp/err")"
    is "what does not read it is known as before" "$result" "$(stage evaluate)"
    "$BUILD/registry" verify >"$tmp/out" 2>"$tmp/err"
    is "verify: status 65, and one line that names it" "65 1 1" "$? $(wc -l <"$tmp/out") $(grep -c "'$path' is damaged: '$name'" "$tmp/out")"
    is "and how many" "registry: damage, named above: 1" "$(sed 's/ (checked: 21 objects, [4-9] runs)$//' "$tmp/err")"
    restore "$path"
done

# ---- made again -----------------------------------------------------------------------------------
path=$(file_in "$model" weights.safetensors)
flip "$path" 1000
is "the maker, run again, replaces it" "$model" "$(stage train-vae --again)"
holds "and all is sound" "$BUILD/registry" verify
flip "$path" 1000
rm -f "$path"
is "what was removed is made by the plain command" "$model" "$(stage train-vae)"
holds "and all is sound again" "$BUILD/registry" verify small

path=$(file_in "$model" weights.safetensors)
truncate -s -1 "$path"
is "what is cut short is made again" "$model" "$(stage train-vae)"
is "and that is said" "object '$path' has the wrong size: it is made again" "$(cat "$tmp/err")"
holds "after which all is sound" "$BUILD/registry" verify small

# ---- numbers --------------------------------------------------------------------------------------
path=$(file_in "$result" metrics.json)
flip "$path" 30
refused "a bit of a number: no table" 65 "ablate: metrics.json of 'evaluate': $("$BUILD/registry" verify small 2>/dev/null)" \
    "$BUILD/ablate" table "$yaml"
is "and no report" 65 "$("$BUILD/report" "$yaml" >"$tmp/out" 2>&1; echo $?)"
restore "$path"
sql "UPDATE metric SET value = value + 1 WHERE name = 'train/seconds' AND run = (SELECT max(run) FROM metric)"
is "a cost that changed in the registry: no table" 65 "$("$BUILD/ablate" table "$yaml" >"$tmp/out" 2>"$tmp/err"; echo $?)"
holds "as the run's record says otherwise" grep -Eq "^ablate: run [0-9]+: the registry and the record '.*' disagree on its metrics; 'registry rebuild' restores it from the records of its runs$" "$tmp/err"
is "its run names it, and another does not" "65 0" "$("$BUILD/registry" verify "$(sql 'SELECT max(run) FROM metric')" >/dev/null 2>&1
    a=$?; "$BUILD/registry" verify "$data" >/dev/null 2>&1; echo "$a $?")"
is "the registry is made again" "$CAIRN_LAB/registry.db" "$("$BUILD/registry" rebuild -q)"
is "and knows what it knew" "small: 0 to run, 4 known" "$("$BUILD/ablate" plan "$yaml" | sed -n 's/^# plan of //p')"
holds "and is right" "$BUILD/registry" verify
holds "for the experiment, too" "$BUILD/registry" verify "$yaml"

# ---- recipes --------------------------------------------------------------------------------------
recipe=$(sql "SELECT recipe FROM run WHERE stage = 'evaluate' LIMIT 1")
path=$CAIRN_LAB/objects/$(echo "$recipe" | cut -c1-2)/$(echo "$recipe" | cut -c3-)
flip "$path" 3
holds "a bit of a recipe's text is named" sh -c "'$BUILD/registry' verify small | grep -q \"is damaged: recipe of run [0-9]* (evaluate), of cell small/default/0 (evaluate)\""
rm -f "$path"
is "a plan puts it back" "small: 0 to run, 4 known" "$("$BUILD/ablate" plan "$yaml" | sed -n 's/^# plan of //p')"
holds "and all is sound once more" "$BUILD/registry" verify small

# ---- looks that fail ------------------------------------------------------------------------------
if ! ${CC:-cc} -shared -fPIC -o "$tmp/faults.so" tests/faults/faults.c -ldl 2>"$tmp/err"; then
    skip "looks that fail" "no C compiler"
    done_testing
    exit
fi
export ASAN_OPTIONS=verify_asan_link_order=0 # where the programs are built with it
# blind CALL CODE PROGRAM...: leaves its status in $rc
blind() {
    rm -f "$tmp/log"
    at=$1 code=$2
    shift 2
    FAULT_LOOKS=1 FAULT_UNDER=$CAIRN_LAB FAULT_AT=$at FAULT_DO=$code FAULT_LOG=$tmp/log LD_PRELOAD=$tmp/faults.so "$@" >"$tmp/out" 2>"$tmp/err"
    rc=$?
}
# Each look of a command in turn, in a copy of a lab; what it may say otherwise than by an error is
# what `right` finds right.
sweep() { # NAME LAB STEP COMMAND...
    name=$1 from=$2 by=$3
    shift 3
    call=1 tried=0 bad=''
    CAIRN_LAB=$tmp/blind
    while
        rm -rf "$CAIRN_LAB"
        cp -rp "$from" "$CAIRN_LAB"
        code=$(echo eio eacces emfile enomem | cut -d' ' -f $((tried % 4 + 1)))
        blind $call "$code" "$@"
        [ -s "$tmp/log" ] && [ $call -le "$most" ]
    do
        case $rc in
        0 | 75) right || bad="$bad, $code $(cat "$tmp/log"): $(cat "$tmp/out")" ;;
        65 | 74) [ "$(wc -l <"$tmp/err")" -eq 1 ] || bad="$bad, $code $(cat "$tmp/log"): $(cat "$tmp/err")" ;;
        *) bad="$bad, $code $(cat "$tmp/log"): status $rc, $(cat "$tmp/err")" ;;
        esac
        tried=$((tried + 1)) call=$((call + by))
    done
    echo "# $name: $tried looks failed, of $call"
    is "$name: no look that failed was taken for absence" "" "$(echo "$bad" | cut -c1-2000)"
}
known=$(runs) most=1000
# A rebuild that is killed at each of its calls leaves a registry that knows the runs.
rm -rf "$tmp/lab/registry.db.before"
call=1 lost=''
CAIRN_LAB=$tmp/blind
while
    rm -rf "$CAIRN_LAB" "$tmp/log"
    cp -rp "$tmp/lab" "$CAIRN_LAB"
    FAULT_UNDER=$CAIRN_LAB FAULT_AT=$call FAULT_DO=kill FAULT_LOG=$tmp/log LD_PRELOAD=$tmp/faults.so \
        "$BUILD/registry" rebuild -q >"$tmp/out" 2>"$tmp/err"
    [ -s "$tmp/log" ]
do
    [ "$(runs)" = "$known" ] || lost="$lost, $(cat "$tmp/log")"
    call=$((call + 1))
done
echo "# a rebuild: killed at each of $call calls"
is "a rebuild that is killed loses no registry" "" "$(echo "$lost" | cut -c1-2000)"
is "and one that is not keeps the old one" "$known" "$(sqlite3 "$CAIRN_LAB/registry.db.before" "SELECT count(*) FROM run WHERE status = 'done'")"
FAULT_UNDER=$CAIRN_LAB FAULT_FS=nfs LD_PRELOAD=$tmp/faults.so "$BUILD/registry" rebuild -q >"$tmp/out" 2>"$tmp/err"
is "one on a network file system has no write-ahead log" 1 "$(od -An -tu1 -j 18 -N 1 "$CAIRN_LAB/registry.db" | tr -d ' ')"
right() { grep -q '^# plan of small: 0 to run, 4 known$' "$tmp/out"; }
sweep "a plan of what is known" "$tmp/lab" "$step" "$BUILD/ablate" plan "$yaml"
right() { [ "$(cat "$tmp/out")" = "$result" ] && [ "$(runs)" -eq "$known" ]; }
sweep "a known evaluation" "$tmp/lab" "$step" "$BUILD/evaluate" "$yaml" -q
right() { [ "$(cat "$tmp/out")" = "$result" ]; }
sweep "an evaluation" "$tmp/lab" "$step" "$BUILD/evaluate" "$yaml" -q --again

# A training that was stopped, with its checkpoint.
CAIRN_LAB=$tmp/lab
sed 's/epochs: 2, batch: 32/epochs: 2000, batch: 32, checkpoint: {seconds: 0, share: 1}/' "$yaml" >"$tmp/long.yaml"
"$BUILD/train-vae" "$tmp/long.yaml" >"$tmp/out" 2>"$tmp/err" &
until grep -q 'steps of' "$tmp/err" && [ -n "$(find "$CAIRN_LAB/work" -name 'checkpoint-?*.safetensors')" ]; do sleep 0.02; done
kill -TERM $!
wait $!
is "a training is stopped" 75 $?
most=160 # then it is under way
right() { [ "$(sql "SELECT count(*) FROM event WHERE kind = 'resumed' AND run = (SELECT max(id) FROM run)")" -eq 1 ]; }
sweep "a training that goes on" "$tmp/lab" "$step" timeout --preserve-status 0.5 "$BUILD/train-vae" "$tmp/long.yaml" -q
done_testing
