# The trail of a segmentation: from shapes and their masks to table and report; of each edit, what is
# computed again is what it touches.
. tests/cli/lib.sh
trail() { scripts/experiment "$BUILD" "$1" --lab "$CAIRN_LAB" --data "$CAIRN_DATA" -q; }
runs() { sql "SELECT count(*) FROM run"; }
ran() { # FILE: what an experiment runs that was not known, "STAGE COUNT ..."
    newest=$(sql "SELECT max(id) FROM run")
    trail "$1" >"$tmp/said" 2>"$tmp/err" || echo "failed: $(tail -n 1 "$tmp/err")"
    sql "SELECT stage || ' ' || count(*) FROM run WHERE id > $newest GROUP BY stage" | tr '\n' ' '
}
change() { sed "$1" $here/unet.yaml >"$tmp/changed.yaml"; }

# ---- once -----------------------------------------------------------------------------------------
report=$(trail $here/unet.yaml 2>"$tmp/err")
is "an experiment runs and prints where its report is" "$CAIRN_LAB/reports/small-unet/index.html" "$report"
is "both variants share their data" "evaluate 2 preprocess 1 transfer-unet 2 " \
    "$(sql "SELECT stage || ' ' || count(*) FROM run WHERE status = 'done' GROUP BY stage" | tr '\n' ' ')"
holds "the report names both" sh -c "grep -q '>bce<' '$report' && grep -q '>dice<' '$report'"
is "each has learned to tell shapes from their background" "4" "$(sql "SELECT count(*) FROM cell_metric
    WHERE name IN ('test/dice/foreground', 'test/pixel_accuracy') AND value > 0.8 AND value <= 1")"
is "no judge was asked" "dataset model " "$(sql "SELECT DISTINCT port FROM run_input JOIN run ON id = run
    WHERE stage = 'evaluate' ORDER BY 1" | tr '\n' ' ')"
"$BUILD/ablate" table $here/unet.yaml --format csv >"$tmp/table.csv"
is "and its rows in the table" "bce dice " "$(grep '^evaluate,test/dice/foreground,' "$tmp/table.csv" | cut -d, -f3 | tr '\n' ' ')"
is "no object is damaged" "" "$(damaged)"
is "the same again runs nothing" "" "$(ran $here/unet.yaml)"

# ---- edits ----------------------------------------------------------------------------------------
change 's/smooth: 1.0}/smooth: 2.0}/'
is "another loss in one variant runs that variant alone" "evaluate 1 transfer-unet 1 " "$(ran "$tmp/changed.yaml")"
is "and back again none" "" "$(ran $here/unet.yaml)"
change 's/^  bce: {}/  cross: {}/'
is "another name runs nothing" "" "$(ran "$tmp/changed.yaml")"
is "but is what the registry calls it" "cross dice " "$(sql 'SELECT DISTINCT variant FROM cell ORDER BY 1' | tr '\n' ' ')"
holds "and the report" grep -q '>cross<' "$report"
change 's/\[pixel_accuracy, iou, dice\]/[dice, iou, pixel_accuracy]/; s/augment: \[flip\]/augment: [flip], batch: 20/; s/, batch: 20,/,/'
is "another order runs nothing" "" "$(ran "$tmp/changed.yaml")"
change '1a seeds: 2'
is "another seed runs that seed alone" "evaluate 2 transfer-unet 2 " "$(ran "$tmp/changed.yaml")"
change 's/, iou, dice/, dice/'
is "another metric evaluates again, and trains nothing" "evaluate 2 " "$(ran "$tmp/changed.yaml")"
is "cells of a seed that is gone are gone" 6 "$(sql 'SELECT count(*) FROM cell')"
written=$(stat -c %y "$CAIRN_LAB/registry.db")
"$BUILD/ablate" plan "$tmp/changed.yaml" >"$tmp/plan"
is "a plan that finds nothing new writes nothing" "$written" "$(stat -c %y "$CAIRN_LAB/registry.db")"
change 's/\[pixel_accuracy, iou, dice\]/[]/'
is "no metrics named is all of them" "evaluate 2 " "$(ran "$tmp/changed.yaml")"
is "a classifier beside them judges no mask" "train-classifier 1 " \
    "$(sed '$a train-classifier: {model: {channels: [4], hidden: 8}, train: {epochs: 1}}' "$tmp/changed.yaml" >"$tmp/judge.yaml"
        ran "$tmp/judge.yaml")"
newest=$(runs)
scripts/experiment "$BUILD" $here/unet.yaml --lab "$CAIRN_LAB" --data "$CAIRN_DATA" -q \
    --set transfer-unet.model.down=strided >/dev/null 2>&1
is "--set changes all variants" 4 $(($(runs) - newest))
is "why says so" "transfer-unet.model.down: maxpool -> strided" \
    "$("$BUILD"/registry why "$(sql 'SELECT max(id) FROM run')" 2>/dev/null)"

# ---- a model of its own ---------------------------------------------------------------------------
model=$(sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = 'transfer-unet' ORDER BY id LIMIT 1")
sed "/^transfer-unet/,/^  train/d; /^vary/,\$d; s/^evaluate: {/&inputs: {model: 'artifact:$model'}, /" $here/unet.yaml >"$tmp/own.yaml"
newest=$(runs)
holds "a model by its id is evaluated as what it is" "$BUILD/evaluate" "$tmp/own.yaml" -q
is "which was known, as it is the same work" "$newest" "$(runs)"
sed -i 's/metrics: .*\]/metrics: [mse]/' "$tmp/own.yaml"
"$BUILD/evaluate" "$tmp/own.yaml" -q >"$tmp/out" 2>"$tmp/err"
is "and refused what it cannot have" 78 $?

# ---- another's encoder ----------------------------------------------------------------------------
sed "/^vary/,\$d; s/^transfer-unet:/&\n  init: train-vae/; s/^evaluate: {/&inputs: {model: transfer-unet}, /" $here/unet.yaml >"$tmp/vae.yaml"
cat >>"$tmp/vae.yaml" <<'END'
train-vae:
  model: {kind: conv, channels: [4, 8], hidden: 8, latent_channels: 2, label_channels: 2}
  train: {epochs: 1, batch: 20}
END
"$BUILD/train-vae" "$tmp/vae.yaml" -q >"$tmp/out" 2>"$tmp/err"
vae=$(sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = 'train-vae'")
refused "the encoder of a VAE has other names than a UNet's" 65 \
    "transfer-unet: init: weights of artifact '$(echo "$vae" | cut -c -12)': none of its weights is in the model; 'encoder.0.conv1.weight' and the like expected" \
    "$BUILD/transfer-unet" "$tmp/vae.yaml" -q

# ---- killed ---------------------------------------------------------------------------------------
long="$here/unet.yaml --set transfer-unet.train.epochs=100 --set transfer-unet.train.checkpoint.seconds=0.02"
CAIRN_LAB=$tmp/lab-whole
for stage in preprocess transfer-unet; do "$BUILD/$stage" $long -q >"$tmp/whole"; done
CAIRN_LAB=$tmp/lab-killed
"$BUILD/preprocess" $long -q >/dev/null
"$BUILD/transfer-unet" $long >"$tmp/out" 2>"$tmp/err" &
pid=$!
for _ in $(seq 2000); do
    [ -n "$(find "$CAIRN_LAB/work" -name 'checkpoint-*.safetensors')" ] && break
    sleep 0.01
done
sleep 0.2
kill -KILL $pid
wait $pid 2>/dev/null
is "a training is killed" 137 $?
is "and continued, it ends with the bytes of one that never was" "$(cat "$tmp/whole")" "$("$BUILD/transfer-unet" $long -q)"
is "from where it was" "1 1" "$(sql "SELECT count(*), min(detail ->> 'step' > 0) FROM event WHERE kind = 'resumed'" | tr '|' ' ')"

# ---- what does not fit together is said before anything runs --------------------------------------
CAIRN_LAB=$tmp/lab-none
wrong() { # "sentence" 'SED SCRIPT' "what stderr says after the file's name"
    change "$2"
    for program in preprocess "ablate plan"; do
        # shellcheck disable=SC2086
        refused "$1 ($program)" 78 "${program%% *}: $tmp/changed.yaml:$3" "$BUILD"/$program "$tmp/changed.yaml"
    done
}
wrong "two losses that cannot be" 's/loss: {bce: {}}/loss: {bce: {}, cross_entropy: {}}/' \
    "8:3: transfer-unet (variant 'bce'): loss: bce has one logit and cross_entropy one a class; choose one of them"
wrong "no loss" 's/loss: {bce: {}}/loss: {}/' \
    "8:3: transfer-unet (variant 'bce'): loss: nothing to minimise; bce, cross_entropy, dice, focal, tversky, or several of them expected"
wrong "a loss that leaves a choice open" 's/dice: {reduce: batch, smooth: 1.0}/dice: {smooth: 1.0}/' \
    "14:37: transfer-unet.loss.dice.reduce: missing; choice expected: sums over each case, then the mean; or over the whole batch"
wrong "a norm that does not divide" 's/channels: \[4, 8\]/channels: [4, 6], norm: group, norm_groups: 4/' \
    "8:3: transfer-unet (variant 'bce'): model.norm_groups: 4 groups do not divide the 6 channels of level 1"
wrong "a metric of another kind of model" 's/iou, dice\]/iou, ssim]/' \
    "11:11: evaluate (variant 'bce'): metrics: 'ssim' needs a model that reconstructs images"
wrong "both kinds of model" '$a train-vae: {}' \
    "11:11: evaluate: both 'train-vae' and 'transfer-unet' make its input 'model'; choose with inputs: {model: ...}"
is "and no lab is made for it" no "$([ -e "$CAIRN_LAB" ] && echo yes || echo no)"
done_testing
