# evaluate predict: new pictures to masks of their own size, as the model saw its training images.
. tests/cli/lib.sh
object() { # ARTIFACT NAME: the path of one of its files
    hash=$(awk -v name="$2" '$3 == name { print $1 }' "$CAIRN_LAB/objects/$(echo "$1" | sed 's,^..,&/,')")
    echo "$CAIRN_LAB/objects/$(echo "$hash" | sed 's,^..,&/,')"
}
output_of() { sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = '$1' ORDER BY id DESC LIMIT 1"; }
newest() { sql "SELECT max(id) FROM run WHERE stage = '$1'"; }
size_of() { # FILE: WIDTH HEIGHT BITS COLOUR of a PNG
    od -An -tu1 -j16 -N10 "$1" | awk '{ print 256 * $3 + $4, 256 * $7 + $8, $9, $10 }'
}
learn() { # FILE: data, model, evaluation
    for stage in preprocess transfer-unet evaluate; do
        "$BUILD/$stage" "$1" -q >"$tmp/id" 2>"$tmp/err" || echo "# $(cat "$tmp/err")"
    done
}
predict() { "$BUILD/evaluate" predict "$@"; }

# ---- pictures ---------------------------------------------------------------------------------------
# What a model of shapes predicts, 0 and 1, are the pictures of a data set: very dark ones, for which
# batch norm makes up. Its masks are what a more generous model makes of the same shapes.
cat >"$tmp/shapes.yaml" <<'END'
name: shapes
backend: {threads: 1}
preprocess: {source: {format: shapes, size: 20, classes: 4, train: 60, test: 40}}
transfer-unet: {model: {channels: [4, 8]}, loss: {bce: {}}, train: {epochs: 10, batch: 20, lr: 0.02}}
evaluate: {metrics: [dice]}
END
learn "$tmp/shapes.yaml"
grey=$(output_of transfer-unet)
set=$CAIRN_DATA/set
fill() { # FOLDER: predictions of the latest evaluation
    mkdir -p "$set/Train/$1" "$set/Test/$1"
    for i in $(seq 10 39); do
        cp "$(object "$(output_of evaluate)" "prediction-test-000$i.png")" \
            "$set/$([ "$i" -lt 30 ] && echo Train || echo Test)/$1/p$i.png"
    done
}
fill images
sed 's/bce: {}/bce: {positive_weight: 30}/' "$tmp/shapes.yaml" >"$tmp/generous.yaml"
learn "$tmp/generous.yaml"
fill masks
sed 's/^name.*/name: folder/; s/{format.*test: 40}/{format: folder, root: set}, equal: allow/
    s/epochs: 10, batch: 20/epochs: 20, batch: 4/' "$tmp/shapes.yaml" >"$tmp/folder.yaml"
learn "$tmp/folder.yaml"
model=$(output_of transfer-unet) evaluation=$(output_of evaluate)
is "a model of pictures in files has learned something" 1 "$(sql "SELECT value > 0.5 FROM metric
    WHERE run = $(newest evaluate) AND name = 'test/dice/foreground' AND step = -1")"

# ---- as the evaluation ------------------------------------------------------------------------------
equals() { # DIR EVALUATION: the names of predictions that are not those of the evaluation
    for file in "$set"/Test/images/*.png; do
        name=$(basename "$file")
        cmp -s "$1/$name" "$(object "$2" "prediction-test-$name")" || echo "$name"
    done
}
runs=$(sql "SELECT count(*) FROM run")
predict "$(echo "$model" | cut -c1-12)" "$set"/Test/images/*.png -o "$tmp/new/masks" >"$tmp/said" 2>"$tmp/err"
is "pictures are predicted in a folder that is made" 0 $?
is "with nothing to say but what was made" "" "$(cat "$tmp/err")"
is "by which model, of which file" "$(for f in "$set"/Test/images/*.png; do echo "$model $f $tmp/new/masks/${f##*/}"; done)" "$(cat "$tmp/said")"
is "each is what the evaluation predicted, byte for byte" "" "$(equals "$tmp/new/masks" "$evaluation")"
is "which is not what it was given" different "$(for f in "$set"/Test/images/*.png; do
    cmp -s "$f" "$tmp/new/masks/${f##*/}" || echo different; done | sort -u)"
is "and no run is made" "$runs" "$(sql "SELECT count(*) FROM run")"
predict "$(newest transfer-unet)" "$set"/Test/images/*.png -o "$tmp/again" --probabilities --threads 2 >"$tmp/said"
is "a run's number names its model" "$model" "$(cut -d' ' -f1 "$tmp/said" | sort -u)"
is "the same again gives the same bytes" "" "$(equals "$tmp/again" "$evaluation")"
is "and probabilities beside them" "{\"__metadata__\":{\"layout\":\"[height,width,class]\"},\"probabilities\":{\"dtype\":\"F32\",\"shape\":[20,20,1],\"data_offsets\":[0,1600]}}" \
    "$(tail -c +9 "$tmp/again/p30.safetensors" | head -c -1600 | tr -d ' ')"
is "only masks without being asked" "" "$(find "$tmp/new" -name '*.safetensors' -o -name '*.part')"

# ---- other sizes ------------------------------------------------------------------------------------
sed 's/equal: allow/&, size: [12, 16], aspect: keep/; s/^name.*/name: sized/' "$tmp/folder.yaml" >"$tmp/sized.yaml"
learn "$tmp/sized.yaml"
sized=$(output_of transfer-unet)
predict "$sized" "$set"/Test/images/*.png -o "$tmp/sized" --probabilities >/dev/null
is "a mask has its picture's size, not the training images'" "20 20 8 0" "$(size_of "$tmp/sized/p30.png")"
is "and so have its probabilities" 1 "$(grep -c 'shape":\[20,20,1\]' "$tmp/sized/p30.safetensors")"
jpeg=$(find tests/fuzz/corpus/jpeg -type f -size -4k | sort | while read -r f; do
    predict "$grey" "$f" -o "$tmp/probe" >/dev/null 2>&1 && echo "$f" && break
done)
cp "$jpeg" "$tmp/odd.jpeg"
predict "$model" "$tmp/odd.jpeg" -o "$tmp" >"$tmp/said"
is "a JPEG's mask is NAME.png" "$model $tmp/odd.jpeg $tmp/odd.png" "$(cat "$tmp/said")"
holds "a model of grey images takes colour" predict "$grey" "$tmp/odd.jpeg" -o "$tmp/grey" -q
is "and its mask has the same size" "$(size_of "$tmp/odd.png")" "$(size_of "$tmp/grey/odd.png")"

# ---- as viewers show it -----------------------------------------------------------------------------
mkdir "$tmp/shown" "$tmp/stored"
held_picture >"$tmp/held.png"
shown_picture >"$tmp/shown/held.png"
{ head -c 83 "$tmp/held.png" && tail -c 12 "$tmp/held.png"; } >"$tmp/stored/held.png" # without its EXIF
for m in $grey $sized; do
    predict "$m" "$tmp/held.png" -o "$tmp/turned" --probabilities >/dev/null
    predict "$m" "$tmp/shown/held.png" -o "$tmp/upright" --probabilities >/dev/null
    is "a picture that EXIF turns is predicted as it is shown, and so stands its mask" "12 20 8 0 " \
        "$(size_of "$tmp/turned/held.png") $(diff -rq "$tmp/turned" "$tmp/upright")"
done
predict "$sized" "$tmp/stored/held.png" -o "$tmp/lying" >/dev/null
is "which is not as it is stored" "20 12 8 0" "$(size_of "$tmp/lying/held.png")"

# ---- transparent pixels -----------------------------------------------------------------------------
mkdir "$tmp/clear"
clear_picture >"$tmp/clear/held.png"
over() { # GROUND: predicts it as if the data set had been laid over that
    sql "UPDATE run SET config = replace(config, 'aspect=keep', 'transparent=$1' || char(10) || 'aspect=keep')
        WHERE id = $(newest preprocess)"
    predict "$sized" "$tmp/clear/held.png" "$one" -o "$tmp/over-$1" --probabilities >/dev/null 2>"$tmp/said"
    echo "$? $(cat "$tmp/said")"
    sql "UPDATE run SET config = replace(config, 'transparent=$1' || char(10), '') WHERE id = $(newest preprocess)"
}
one=$set/Test/images/p30.png
predict "$sized" "$tmp/clear/held.png" -o "$tmp/over" --probabilities >/dev/null 2>"$tmp/said"
is "transparent pixels are laid over black, with a word" "evaluate: 1 image with transparent pixels, laid over the file's background colour, else black, the first '$tmp/clear/held.png'" \
    "$(cat "$tmp/said")"
is "as if they were" "" "$(diff -rq "$tmp/over" "$tmp/upright")"
is "or over what the training images were" "0 evaluate: 1 image with transparent pixels, laid over white, the first '$tmp/clear/held.png'" "$(over white)"
is "which matters" different "$(cmp -s "$tmp/over/held.safetensors" "$tmp/over-white/held.safetensors" || echo different)"
is "or refused" "65 evaluate: '$tmp/clear/held.png': pixel (0, 0) is not opaque, expected an opaque picture" "$(over error)"

another() { # "sentence" OLD NEW [equal]: predicts again as if the data set had been made otherwise
    sql "UPDATE run SET config = replace(config, '$2', '$3') WHERE id = $(newest preprocess)"
    predict "$sized" "$set"/Test/images/*.png -o "$tmp/other" --probabilities >/dev/null
    sql "UPDATE run SET config = replace(config, '$3', '$2') WHERE id = $(newest preprocess)"
    is "$1" "20 20 8 0 ${4:-different}" "$(size_of "$tmp/other/p30.png") $(
        diff -rq "$tmp/sized" "$tmp/other" >/dev/null && echo equal || echo different)"
    rm -r "$tmp/other"
}
another "the size of the training images matters" 'size=[12, 16]' 'size=[]'
another "their aspect" aspect=keep aspect=stretch
another "and their filter" filter=area filter=bilinear
another "while their on_bad does not" on_bad=error on_bad=skip equal
sql "UPDATE run SET config = config || 'colour=grey' || char(10) WHERE id = $(newest preprocess)"
refused "a data set of another version's keys" 78 "evaluate: run $(newest preprocess) of preprocess: config:1:1: unknown key 'colour'; valid keys: source, size, aspect, filter, transparent, spacing, intensity, on_bad, equal, split" \
    predict "$sized" "$set/Test/images/p30.png" -o "$tmp/none"

# ---- what is refused, before anything is written ----------------------------------------------------
one=$set/Test/images/p30.png
refused "not a UNet" 64 "evaluate: '$(newest preprocess)' is a run of preprocess, which makes no model" \
    predict "$(newest preprocess)" "$one" -o "$tmp/none"
refused "an evaluation's id" 64 "evaluate: '$evaluation' is a run of evaluate, which makes no model" \
    predict "$evaluation" "$one" -o "$tmp/none"
refused "an unknown model" 66 "evaluate: no run '0000000' in lab '$CAIRN_LAB'" predict 0000000 "$one" -o "$tmp/none"
refused "a lab that is not there" 66 "evaluate: no lab at '$tmp/nowhere'" predict "$model" "$one" -o "$tmp/none" --lab "$tmp/nowhere"
refused "a file that is no picture" 65 "evaluate: '$tmp/folder.yaml': not an image; PNG or JPEG expected" \
    predict "$model" "$one" "$tmp/folder.yaml" -o "$tmp/none"
head -c 60 "$one" >"$tmp/cut.png"
predict "$model" "$one" "$tmp/cut.png" -o "$tmp/none" >"$tmp/out" 2>"$tmp/err"
is "a picture that is cut short" "65 1 yes" "$? $(wc -l <"$tmp/err") $(grep -q "^evaluate: '$tmp/cut.png': " "$tmp/err" && echo yes)"
refused "a missing file" 66 "evaluate: cannot open '$tmp/no.png': No such file or directory" \
    predict "$model" "$one" "$tmp/no.png" -o "$tmp/none"
refused "two files that would become one" 64 \
    "evaluate: '$tmp/odd.jpeg' and '$tmp/odd.png' would both become '$tmp/none/odd.png'" \
    predict "$model" "$tmp/odd.jpeg" "$one" "$tmp/odd.png" -o "$tmp/none"
before=$(sha256sum <"$one")
refused "a picture that would be overwritten" 64 "evaluate: '$one' would be overwritten by '$set/Test/../Test/images/p30.png'" \
    predict "$model" "$one" -o "$set/Test/../Test/images"
ln -s "$one" "$tmp/link.safetensors"
cp "$one" "$tmp/link.png"
refused "also under another name" 64 "evaluate: '$one' would be overwritten by '$tmp/elsewhere/link.safetensors'" \
    sh -c "mkdir '$tmp/elsewhere' && ln -s '$one' '$tmp/elsewhere/link.safetensors' &&
        '$BUILD/evaluate' predict $model '$one' '$tmp/link.png' -o '$tmp/elsewhere' --probabilities"
is "it was not" "$before" "$(sha256sum <"$one")"
is "none of these made anything" no "$([ -e "$tmp/none" ] && echo yes || echo no)"
refused "a file where the folder should be" 74 "evaluate: '$tmp/link.png' is not a folder" predict "$model" "$one" -o "$tmp/link.png"
refused "more threads than there are" 1 \
    "evaluate: cpu: 2 threads wanted, 1 given (OMP_THREAD_LIMIT, a limit on processes?)" \
    env OMP_THREAD_LIMIT=1 "$BUILD/evaluate" predict "$model" "$one" -o "$tmp/none" --threads 2
usage="evaluate: usage: evaluate predict MODEL FILE ... -o DIR [OPTION ...]"
refused "no folder" 64 "$usage" predict "$model" "$one"
refused "no file" 64 "$usage" predict "$model" -o "$tmp/none"
refused "a folder without its name" 64 "evaluate: '-o' is not an option of evaluate, or lacks its value (see --help)" \
    predict "$model" "$one" -o
holds "evaluate --help says that there is predict" sh -c "'$BUILD/evaluate' --help | grep -q 'evaluate predict MODEL'"
holds "predict --help has its options" sh -c "'$BUILD/evaluate' predict --help | grep -q -- '^  -o, --output DIR '"
sql "DELETE FROM run_output WHERE run = $(newest transfer-unet)"
refused "a run without a model" 66 "evaluate: run $(newest transfer-unet) of transfer-unet is done: it has no model" \
    predict "$(newest transfer-unet)" "$one" -o "$tmp/none"
done_testing
