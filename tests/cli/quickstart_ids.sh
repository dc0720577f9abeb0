# The stages of quickstart give the artifacts that they gave before, or have a new version: else a
# registry would serve what today's programs do not compute. The table says how its ids change. At each
# level of x86-64 that the processor has, in a lab of its own, and with all that it has.
. tests/cli/lib.sh
table=tests/golden/quickstart-ids.txt
set -- -q --set train-classifier.train.steps=20 --set train-vae.train.steps=20

stage() { # NUMERICS STAGE ID
    want=$(grep -F "$1 | $2 " "$table" | sed 's/.* //')
    echo "# $1 | $2 $3"
    if [ -n "$3" ] && [ -z "$want" ]; then
        skip "$2, $1: the same artifact" "no id of this class in $table"
    else
        is "$2, $1: the same artifact" "$want" "$3"
    fi
}

stage any preprocess "$("$BUILD/preprocess" experiments/quickstart.yaml "$@")"
for level in "" v2 v3 v4; do
    export CAIRN_ISA=$level CAIRN_LAB="$tmp/lab$level"
    "$BUILD/preprocess" experiments/quickstart.yaml "$@" >/dev/null
    for threads in 1 2; do
        for program in train-classifier train-vae evaluate; do
            id=$("$BUILD/$program" experiments/quickstart.yaml "$@" --set backend.threads=$threads 2>"$tmp/err")
            if [ -z "$id" ] && grep -q 'this processor lacks' "$tmp/err"; then
                skip "$program at $level" "not of this processor"
                continue
            fi
            [ $program = evaluate ] || numerics=$(sql "SELECT numerics FROM run ORDER BY id DESC LIMIT 1")
            stage "$numerics" $program "$id"
        done
    done
done
done_testing
