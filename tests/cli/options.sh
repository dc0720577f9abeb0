# The command line that all programs share, and what the registry answers.
. tests/cli/lib.sh

is_json() { [ "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$1') AS TEXT))")" = 1 ]; }
stages='preprocess train-classifier train-vae evaluate'
small=$here/small.yaml
run() { # PROGRAM [OPTION ...]
    program=$1
    shift
    "$BUILD/$program" $small "$@"
}
{
    cat $small
    printf 'seeds: 2\nvary:\n  wide: {}\n  narrow: {train-vae.model.hidden: 16}\n'
} >"$tmp/vary.yaml"

# ---- help, version, wrong use ---------------------------------------------------------------------
for program in $stages transfer-unet ablate report registry; do
    holds "$program --help describes its options" sh -c "'$BUILD/$program' --help | grep -q -- '^  --lab DIR '"
    is "$program --version names the program and its build" "$program" \
        "$("$BUILD/$program" --version | grep -Ex '[a-z-]+ [0-9a-z-]+ [0-9a-f]{16}' | cut -d' ' -f1)"
    refused "$program has no option --frobnicate" 64 \
        "$program: '--frobnicate' is not an option of $program, or lacks its value (see --help)" \
        "$BUILD/$program" --frobnicate
done
for program in $stages transfer-unet; do
    file=$small
    [ $program = transfer-unet ] && file=$here/unet.yaml
    "$BUILD/$program" "$file" --explain | sed -n '/^\(stage\|version\|seed\|backend\|input\|source \|recipe\|key\|state\)/d; s/=.*//p' |
        sort >"$tmp/recipe"
    "$BUILD/$program" --help | sed '1,/^keys/d' | awk '{ print $1 }' | sort >"$tmp/help"
    is "$program --help has every key of a recipe" "" "$(comm -23 "$tmp/recipe" "$tmp/help")"
    is "$program has such keys" yes "$([ -s "$tmp/recipe" ] && echo yes)"
    refused "$program without an experiment" 64 "$program: one experiment file expected (--help)" "$BUILD/$program"
done
explained=$(run preprocess --explain)
is "explaining makes no lab" no "$([ -e "$CAIRN_LAB" ] && echo yes || echo no)"
default_of() { "$BUILD/$1" --help | grep "^$2 " | grep -c "  $3  "; }
is "and with its default: numbers, choices, lists" "1 1 1 1" "$(default_of train-vae train.batch 128) \
$(default_of train-vae train.lr 1.0e-3) $(default_of train-vae model.kind mlp) \
$(default_of train-vae model.channels '\[32, 64\]')"
refused "-v where there is nothing more to say" 64 \
    "report: '-v' is not an option of report, or lacks its value (see --help)" "$BUILD/report" -v
refused "a value that is missing" 64 \
    "train-vae: '--seed' is not an option of train-vae, or lacks its value (see --help)" run train-vae --seed
refused "a seed that is no number" 64 "train-vae: --seed 'two': a whole number from 0 to 2147483647 expected" run train-vae --seed two
refused "a seed that the experiment has not" 64 \
    "train-vae: --seed 7: not a seed of 'small' (use --set seed=7 to run it)" run train-vae --seed 7
refused "a variant that it has not" 64 "train-vae: --variant: 'small' has no variant 'tiny'" run train-vae --variant tiny
refused "a cell that it has not" 64 "train-vae: --cell 4: 'small' has 4 cells" \
    "$BUILD/train-vae" "$tmp/vary.yaml" --cell 4
refused "a cell and a seed" 64 "train-vae: --cell gives variant and seed: use it without --variant and --seed" \
    "$BUILD/train-vae" "$tmp/vary.yaml" --cell 0 --seed 1
refused "a section that it has not" 64 "train-vae: variant 'default' has no section 'train-vae@b'" \
    run train-vae --section train-vae@b
is "none of these made a lab" no "$([ -e "$CAIRN_LAB" ] && echo yes || echo no)"
refused "a --set without a value" 64 "train-vae: --set 'lr': SECTION.KEY=VALUE expected" run train-vae --set lr
refused "an unknown command of ablate" 64 "ablate: usage: ablate plan | table EXPERIMENT.yaml [OPTION ...]" "$BUILD/ablate" dance
refused "a format of what has none" 64 "ablate: usage: ablate plan | table EXPERIMENT.yaml [OPTION ...]" \
    "$BUILD/ablate" plan $small --format tex
refused "a registry that is not there" 66 "registry: no lab at '$tmp/nowhere'" "$BUILD/registry" ls --lab "$tmp/nowhere"

"$BUILD/preprocess" $small -q --lab "$tmp/lab-threads" >/dev/null
refused "more threads than OpenMP gives" 1 \
    "train-vae: cpu: 2 threads wanted, 1 given (OMP_THREAD_LIMIT, a limit on processes?)" \
    env OMP_THREAD_LIMIT=1 "$BUILD/train-vae" $small -q --lab "$tmp/lab-threads" --set backend.threads=2
holds "as many as OpenMP gives, where the file leaves it open" \
    env OMP_THREAD_LIMIT=1 timeout 60 "$BUILD/train-vae" $small -q --lab "$tmp/lab-threads"

# ---- explain --------------------------------------------------------------------------------------
is "--explain says that an input is still to be made" "state waiting for an input" "$(run train-vae --explain | grep ^state)"
refused "which stops a run" 66 \
    "train-vae: input 'dataset' is not computed yet: run 'preprocess' first (as make experiment= does)" run train-vae
is "--explain says what would run" "state not known: would run" "$(run preprocess --explain | grep ^state)"
is "with a lab or without one" "$explained" "$(run preprocess --explain)"
is "and runs nothing" 0 "$(sql 'SELECT count(*) FROM run')"
dataset=$(run preprocess -q)
is "afterwards it is known, with its output" "state known
output dataset $dataset" "$(run preprocess --explain | sed -n '/^state/,$p')"
run train-vae --explain >"$tmp/explained"
recipe=$(sed -n 's/^recipe //p' "$tmp/explained")
is "the recipe is the hash of the text before it" "$recipe" "$(sed '/^recipe/,$d' "$tmp/explained" | sha256sum | cut -d' ' -f1)"

planned=$(sed -n 's/^memory \([0-9]*\) bytes: dataset .*, plans .*/\1/p' "$tmp/explained")
is "a trainer's memory plan comes with it, and still nothing runs" "yes 1" \
    "$([ "${planned:-0}" -gt 0 ] && echo yes) $(sql 'SELECT count(*) FROM run')"

# ---- and why ---------------------------------------------------------------------------------------
why() { run "$@" --explain | grep '^why\|^continue'; }
is "a stage that never ran" "why train-vae: no run of it is known" "$(why train-vae)"
is "what waits names the stages that have to run first" "why train-vae: no run of it is known
why train-classifier: no run of it is known" "$(why evaluate)"
is "what is known has no reason to run" "" "$(why preprocess)"
is "what differs from the nearest run" \
    "why preprocess: since run 1: preprocess.split.val: 40 -> 50" "$(why preprocess --set preprocess.split.val=50)"
is "which a stage below waits for" \
    "why preprocess: since run 1: preprocess.split.val: 40 -> 50" "$(why train-vae --set preprocess.split.val=50)"
CAIRN_LAB=$tmp/lab-stopped
run preprocess -q >/dev/null
"$BUILD/train-vae" $small --set train-vae.train.epochs=100000 >"$tmp/out" 2>"$tmp/err" &
for _ in $(seq 400); do
    grep -q 'steps of' "$tmp/err" && break
    sleep 0.05
done
kill -USR2 $!
wait $!
step=$(sed -n 's/.*stopped at step \([0-9]*\) .*/\1/p' "$tmp/err")
is "a run that was stopped, and where it goes on" \
    "why train-vae: run 2 of this recipe: stopped
continue at step $step" "$(why train-vae --set train-vae.train.epochs=100000)"
run train-vae --explain --json --set train-vae.train.epochs=100000 >"$tmp/json"
holds "--explain --json is JSON" is_json "$tmp/json"
is "with the same in it" "ready $step 2 1 stopped" "$(sqlite3 :memory: "
    WITH e(j) AS (SELECT CAST(readfile('$tmp/json') AS TEXT)) SELECT json_extract(j, '\$.state') || ' ' ||
    json_extract(j, '\$.continue_at') || ' ' || json_extract(j, '\$.why[0].run') || ' ' ||
    json_extract(j, '\$.why[0].same_recipe') || ' ' || json_extract(j, '\$.why[0].status') FROM e")"
truncate -s 1000 "$CAIRN_LAB"/work/*/checkpoint-*
is "a damaged checkpoint is not one to go on from, and stays" "why train-vae: run 2 of this recipe: stopped
yes" "$(why train-vae --set train-vae.train.epochs=100000; ls "$CAIRN_LAB"/work/*/checkpoint-* >/dev/null && echo yes)"
CAIRN_LAB=$tmp/lab

# ---- results and chatter --------------------------------------------------------------------------
is "-q says nothing on stderr" "" "$(run train-vae -q 2>&1 >"$tmp/id")"
run train-vae --set train-vae.train.epochs=3 >"$tmp/three" 2>"$tmp/chatter"
is "without a terminal progress is plain lines" "0 0" "$(grep -c "$(printf '\r')" "$tmp/chatter") $(grep -c "$(printf '\033')" "$tmp/chatter")"
holds "that name the program" sh -c "! grep -v '^train-vae: ' '$tmp/chatter'"
is "stdout is the artifact and nothing else" 1 "$(grep -Exc '[0-9a-f]{64}' "$tmp/three")"
run train-vae --json >"$tmp/json"
holds "--json of a stage is JSON" is_json "$tmp/json"
holds "with recipe, run and artifact" grep -q "\"recipe\": \"$recipe\", \"known\": true, \"outputs\": {\"model\": \"$(cat "$tmp/id")\"}" "$tmp/json"

is "-v says the recipe on stderr" "recipe $recipe" "$(run train-vae -v 2>&1 >/dev/null | grep ^recipe)"

# ---- which cell -----------------------------------------------------------------------------------
recipe_of() { "$BUILD/train-vae" "$tmp/vary.yaml" --explain "$@" | sed -n 's/^recipe //p'; }
is "the first variant and seed by default" "$recipe" "$(recipe_of)"
is "--cell counts seeds, then variants" "$(recipe_of --variant narrow --seed 1)" "$(recipe_of --cell 3)"
is "all four cells differ" 4 "$(for cell in 0 1 2 3; do recipe_of --cell $cell; done | sort -u | wc -l)"
is "--set is as if the file said so" "$(recipe_of --variant narrow)" "$(recipe_of --set train-vae.model.hidden=16)"
is "--set seed" "$(recipe_of --seed 1)" "$(recipe_of --set seed=1)"

# ---- the registry ---------------------------------------------------------------------------------
registry() { "$BUILD/registry" "$@"; }
is "ls: newest first, one line a run" "3 2 1" "$(registry ls | sed 1,2d | awk '{ printf "%s%s", sep, $1; sep = " " }')"
is "ls STAGE" 1 "$(registry ls preprocess | sed 1,2d | wc -l)"
registry ls --json >"$tmp/json"
holds "ls --json is JSON" is_json "$tmp/json"
is "show: by number, recipe and artifact" 1 "$(for name in 2 "$(echo "$recipe" | cut -c1-12)" "$(cut -c1-12 "$tmp/id")"; do
    registry show "$name"
done | grep -c "^recipe   $recipe$" | sed 's/^3$/1/')"
is "the memory that --explain named was the peak, within 5 %" 1 \
    "$(sql "SELECT abs(value - $planned) <= 0.05 * value FROM metric WHERE run = 2 AND name = 'train/peak_bytes'")"
holds "show has the final metrics" sh -c "'$BUILD/registry' show 2 | grep -q '^metric   val/loss = [0-9]'"
is "why: exactly the key that differs" "train-vae.train.epochs: 2 -> 3" "$(registry why 3 2>/dev/null)"
is "why: two runs by number, in any order" "train-vae.train.epochs: 2 -> 3" "$(registry why 3 2 2>/dev/null)"
is "why of a first run" "run 1: no earlier run of its stage has another recipe" "$(registry why 1 2>&1)"
sql "CREATE TABLE kept AS SELECT * FROM run WHERE id = 1; WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
    INSERT INTO run SELECT i, stage, recipe, 'lost', started, NULL, build, numerics, config, error, i, owner_host, owner_boot,
        owner_pid, owner_start FROM n, kept; DROP TABLE kept"
is "ls says how many runs it leaves out" "1000 the newest 1000 of 1100 runs" \
    "$(registry ls 2>"$tmp/err" | sed 1,2d | wc -l) $(cat "$tmp/err")"
is "and nothing where it shows all" "2 " "$(registry ls train-vae 2>"$tmp/err" | sed 1,2d | wc -l) $(cat "$tmp/err")"
is "a run that was lost took nobody knows how long" "- s" "$(registry ls 2>/dev/null | awk '$1 == 1100 { print $6 " s" }')"
sql "DELETE FROM run WHERE id > 3; UPDATE sqlite_sequence SET seq = 3"
refused "--json where there is none" 64 "registry: --json: not for 'release'" "$BUILD/registry" release 2 --json
refused "nor may rebuild have it" 64 "registry: --json: not for 'rebuild'" "$BUILD/registry" rebuild --json
refused "or --all" 64 "registry: --all: only for verify" "$BUILD/registry" rebuild --all
is "and it rebuilds nothing then" "no" "$([ -e "$CAIRN_LAB/registry.db.before" ] && echo yes || echo no)"
json() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$tmp/json') AS TEXT), '$1')"; }
registry show 2 --json >"$tmp/json"
is "show --json has what show has" "2 train-vae done $recipe $(cat "$tmp/id") seed=0 1" "$(json '$.run') $(json '$.stage') $(
    json '$.status') $(json '$.recipe') $(json '$.outputs.model.artifact') $(json '$.recipe_text[2]') $(
    sql "SELECT abs(value - $(json '$.metrics."val/loss"')) < 1e-9 FROM metric WHERE run = 2 AND name = 'val/loss' AND step = -1")"
registry why 3 --json >"$tmp/json" 2>/dev/null
is "and why --json what why has" '{"from":2,"to":3,"differs":["train-vae.train.epochs: 2 -> 3"]}' "$(json '$')"
registry why 1 --json >"$tmp/json" 2>/dev/null
is "which may be nothing" '{"from":null,"to":1,"differs":[]}' "$(json '$')"
refused "no such run" 66 "registry: no run '99' in lab '$CAIRN_LAB'" registry show 99
refused "why without a run" 64 "registry: $(registry --help | head -n 1)" registry why

# ---- two at once ----------------------------------------------------------------------------------
for who in one two; do
    run train-vae --set train-vae.train.epochs=300 >"$tmp/$who" 2>"$tmp/$who.err" &
done
wait
is "two programs on one recipe end with the same artifact" "$(cat "$tmp/one")" "$(cat "$tmp/two")"
is "which was computed once" "1 1" "$(wc -l <"$tmp/one") $(sql "SELECT count(*) FROM run WHERE config LIKE '%epochs=300%'")"
is "while the other waited, and said so" 1 "$(grep -hc '^waiting for run 4 of process' "$tmp/one.err" "$tmp/two.err" | awk '{ n += $1 } END { print n }')"
done_testing
