# Cases that something was made from are no test of it, whichever data set brings them along and however
# their files are encoded.
. tests/cli/lib.sh

# ---- pictures of 8x8, the first in two files ------------------------------------------------------
export CAIRN_DATA="$tmp/data"
png() { printf iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAA%s "$1" | base64 -d; }
first() { png K0lEQVR42mPcwnCEgYHhCAMTAwzY2EBouAgjA8MWhiMMNkgiFQwMDDbIugD8MgXsJWd6rAAAAABJRU5ErkJggg==; }
again() { png U0lEQVR4AQFIALf/AbQAxAAAAMQAAgAAAAAAAAAAADw8AAAAAAAAAgAAAAAAAAAAAQAAtADEADwAAgAAAAAAAAAAAXgAAAA8AMQAAgAAAAAAAAAA/DIF7GrkuCoAAAAASUVORK5CYII=; }
second() { png KElEQVR42mOsYGBgYGCwYWBigAKWIwwVDEcYfBAimAyWCoYjDDbIIgC+EASMehGx5wAAAABJRU5ErkJggg==; }
third() { png J0lEQVR42mNkYNjC4MNQwcDEAAWMDAw2DAwMDAgRBhuIAIqaClQRAIgAArCsu3B6AAAAAElFTkSuQmCC; }
fourth() { png LklEQVR42k3KQQ0AIBAEsUKQtcKQgCAknDA+JDDPZlpELN2txYQngxL1PVvxywHQgAYAnC9D1AAAAABJRU5ErkJggg==; }
mask() { png IUlEQVR42mNkZGBgYGD4z8DEgBMwMjBAVMHVMDJCGXARAELEAQyPAEA3AAAAAElFTkSuQmCC; }
# put SET/SPLIT/NAME PICTURE
put() {
    mkdir -p "$CAIRN_DATA/${1%/*}/images" "$CAIRN_DATA/${1%/*}/masks"
    "$2" >"$CAIRN_DATA/${1%/*}/images/${1##*/}.png"
    mask >"$CAIRN_DATA/${1%/*}/masks/${1##*/}.png"
}
put learnt/train/a first
put learnt/train/b second
put learnt/val/c third
for set in bytes pixels chosen; do
    put $set/train/z third
    put $set/test/y fourth
done
put bytes/test/x first
put pixels/test/x again
put chosen/train/z second
put chosen/test/x third
is "the planted picture is in two files" different "$(first >"$tmp/one"; again | cmp -s - "$tmp/one" || echo different)"

# measure SET [KEY]: a model of `learnt`, measured on SET
measure() {
    cat >"$tmp/leaks.yaml" <<END
name: leaks
backend: {threads: 1}
preprocess@learnt: {source: {format: folder, root: learnt}}
preprocess@other: {source: {format: folder, root: $1}}
transfer-unet:
  inputs: {dataset: preprocess@learnt}
  model: {channels: [2, 4]}
  loss: {bce: {}}
  train: {epochs: 1, batch: 2}
evaluate: {inputs: {dataset: preprocess@other}, metrics: [dice]${2:-}}
END
    for stage in "preprocess --section preprocess@learnt" "preprocess --section preprocess@other" transfer-unet; do
        # shellcheck disable=SC2086
        "$BUILD"/$stage "$tmp/leaks.yaml" -q >"$tmp/id" || return 1
        case $stage in *learnt) learnt=$(cut -c 1-12 "$tmp/id") ;; transfer-unet)
            trainer=$(sql "SELECT max(id) FROM run WHERE stage = 'transfer-unet'")
            ;;
        esac
    done
    "$BUILD/evaluate" "$tmp/leaks.yaml" -q
}
leak() { # "sentence" SET WHAT
    measure "$2" >"$tmp/out" 2>"$tmp/err"
    is "$1" 65 $?
    is "$1, in one line" "evaluate: test case 'test-x' is not a fair test of the model: it has the pixels of '$3' in data set $learnt, which transfer-unet read (run $trainer); 1 of 2 cases are affected; remove them there, or set allow_leak: true" \
        "$(cat "$tmp/err")"
}
leak "the same bytes are refused" bytes train/train-a
leak "the same pixels in another file are refused" pixels train/train-a
leak "a case that the weights were chosen by is refused" chosen val/val-c
is "and nothing is kept" "0" "$(sql "SELECT count(*) FROM run WHERE stage = 'evaluate' AND status = 'done'")"

# ---- what is no leak -------------------------------------------------------------------------------
rm "$CAIRN_DATA"/bytes/test/*/x.png
holds "other pictures are measured, also if their data set has others in common with the first" measure bytes
holds "what was learnt from may be measured as what it is" measure pixels ", split: train"
holds "also where the weights were chosen by it" measure chosen ", split: train"

# ---- allowed ---------------------------------------------------------------------------------------
measure pixels ", allow_leak: true" >"$tmp/id" 2>"$tmp/err"
is "it can be allowed" 0 $?
object() { sed 's,^..,&/,' | sed "s,^,$CAIRN_LAB/objects/,"; }
leaks=$(awk '$3 == "leaks.csv" { print $1 }' "$(object <"$tmp/id")" | object)
whole=$(sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = 'preprocess' AND artifact LIKE '$learnt%'")
is "and is kept with the result" "test-x,model,transfer-unet,$whole,train,train-a" "$(tail -n +2 "$leaks")"
"$BUILD/report" "$tmp/leaks.yaml" -q >"$tmp/index" 2>"$tmp/err"
holds "the report says so in red" grep -q 'class="note bad">evaluate (.*) is not a fair test: its model or judge may have learnt from 1 case ' \
    "$(cat "$tmp/index")"
holds "the table in Markdown, too" grep -q "is not a fair test" "$(dirname "$(cat "$tmp/index")")/ablation.md"
measure bytes ", allow_leak: true" >"$tmp/id"
is "an evaluation without a leak has no such file" "" "$(grep leaks "$(object <"$tmp/id")")"
done_testing
