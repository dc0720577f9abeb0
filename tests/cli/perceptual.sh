# A loss by what a network sees: trained here or imported, left as it is, and never left out unsaid.
. tests/cli/lib.sh
cat >"$tmp/p.yaml" <<END
name: perceptual
backend: {threads: 1}
preprocess: {source: {format: shapes, size: 16, classes: 4, train: 60, test: 20}, split: {val: 20}}
train-classifier: {model: {channels: [4], hidden: 8}, train: {epochs: 1, batch: 20}}
pretrain-ae@first: {model: {channels: [2, 4]}, train: {epochs: 1, batch: 20}}
pretrain-ae:
  loss: {mse: {}, perceptual: {}}
  model: {channels: [2, 4]}
  train: {epochs: 2, batch: 20}
END
stage() { # STAGE [SED SCRIPT]: the artifact
    sed "${2:-}" "$tmp/p.yaml" >"$tmp/q.yaml"
    "$BUILD/$1" "$tmp/q.yaml" --section "${3:-$1}" -q 2>"$tmp/err"
}
stage preprocess >"$tmp/out"
judge=$(stage train-classifier)
first=$(stage pretrain-ae '' pretrain-ae@first)
plain=$(stage pretrain-ae 's/, perceptual: {}//')
read_by() { sql "SELECT group_concat(port || '=' || artifact, ' ') FROM (SELECT port, artifact FROM run_input JOIN run ON id = run WHERE id = (SELECT max(id) FROM run WHERE stage = 'pretrain-ae') ORDER BY port)"; }
is "without it the network is in no recipe" "" "$(read_by | grep -o perceptual)"

by_judge=$(stage pretrain-ae)
is "the file's classifier is what sees, where nothing else is said" "perceptual=$judge" "$(read_by | grep -o 'perceptual=.*')"
by_first=$(stage pretrain-ae 's/^  loss:/  inputs: {perceptual: pretrain-ae@first}\n&/')
is "or another autoencoder's encoder" "perceptual=$first" "$(read_by | grep -o 'perceptual=.*')"
is "each makes another model" 4 "$(printf '%s\n' "$plain" "$by_judge" "$by_first" "$first" | sort -u | wc -l)"
file() { # ARTIFACT NAME
    hash=$(awk -v name="$2" '$3 == name { print $1 }' "$CAIRN_LAB/objects/$(echo "$1" | sed 's,^..,&/,')")
    echo "$CAIRN_LAB/objects/$(echo "$hash" | sed 's,^..,&/,')"
}
is "of which the network is no part" "" "$(grep -ao 'perceptual\.[a-z0-9.]*' "$(file "$by_judge" weights.safetensors)")"
# the loss is mse and what the network adds to it
holds "the loss is more than its mse" awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    !($at["val/loss"] > $at["val/mse"]) { bad = 1 } END { exit bad || NR != 3 }' "$(file "$by_judge" history.csv)"
holds "without it there is no more" awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["val/loss"] != $at["val/mse"] { bad = 1 } END { exit bad || NR != 3 }' "$(file "$plain" history.csv)"
is "again it is the same" "$by_judge" "$("$BUILD/pretrain-ae" "$tmp/p.yaml" --section pretrain-ae -q --again 2>"$tmp/err")"

sed '/^train-classifier/d' "$tmp/p.yaml" >"$tmp/none.yaml"
refused "no network is an error" 78 "pretrain-ae: $tmp/none.yaml:1:1: pretrain-ae needs a section 'train-classifier' for its input 'perceptual'" \
    "$BUILD/pretrain-ae" "$tmp/none.yaml" -q
sed '$a train-vae: {model: {kind: mlp, latent_channels: 2, hidden: 8}, train: {epochs: 1}}' "$tmp/p.yaml" |
    sed 's/^  loss:/  inputs: {perceptual: train-vae}\n&/' >"$tmp/vae.yaml"
"$BUILD/train-vae" "$tmp/vae.yaml" -q >"$tmp/out" 2>"$tmp/err"
refused "nor is one that gives no features taken" 65 "pretrain-ae: a model of kind 'vae' can encode and decode, not give features" \
    "$BUILD/pretrain-ae" "$tmp/vae.yaml" --section pretrain-ae -q
done_testing
