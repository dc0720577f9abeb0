# evaluate predict: NIfTI files to masks with the geometry of each file.
. tests/cli/lib.sh
object() { # ARTIFACT NAME: the path of one of its files
    hash=$(awk -v name="$2" '$3 == name { print $1 }' "$CAIRN_LAB/objects/$(echo "$1" | sed 's,^..,&/,')")
    echo "$CAIRN_LAB/objects/$(echo "$hash" | sed 's,^..,&/,')"
}
output_of() { sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = '$1' ORDER BY id DESC LIMIT 1"; }
predict() { "$BUILD/evaluate" predict "$@"; }

# ---- volumes ----------------------------------------------------------------------------------------
# A header of 8x6x5 bytes of 1x2x3 mm; the sform's first axis as given, 1 0 0 0 or -1 0 0 7.
header() { # SLOPE-X OFFSET-X as the bytes of floats
    printf '\134\001\000\000'
    head -c 36 /dev/zero
    printf '\003\000\010\000\006\000\005\000\001\000\001\000\001\000\001\000' # dim, 40
    head -c 14 /dev/zero
    printf '\002\000\010\000\000\000' # uint8, 70
    printf '\000\000\200\077\000\000\200\077\000\000\000\100\000\000\100\100' # pixdim 1 1 2 3, 76
    head -c 16 /dev/zero
    printf '\000\000\260\103\000\000\200\077\000\000\000\000' # vox_offset 352, slope 1, 108
    printf '\000\000\000\002' # mm, 120
    head -c 128 /dev/zero
    printf '\000\000\002\000' # sform_code 2, 252
    head -c 24 /dev/zero
    printf "$1\000\000\000\000\000\000\000\000$2" # 280
    printf '\000\000\000\000\000\000\000\100\000\000\000\000\000\000\000\000'
    printf '\000\000\000\000\000\000\000\000\000\000\100\100\000\000\240\300'
    head -c 16 /dev/zero
    printf 'n+1\000\000\000\000\000'
}
upright() { header '\000\000\200\077' '\000\000\000\000'; }
mirrored() { header '\000\000\200\277' '\000\000\340\100'; }
# A block at a place of its own for each number: 240 voxels as escapes for printf.
voxels() { # NUMBER mask | image | backwards
    awk -v n="$1" -v kind="$2" 'BEGIN {
        for (z = 0; z < 5; z++) for (y = 0; y < 6; y++) for (i = 0; i < 8; i++) {
            x = kind == "backwards" ? 7 - i : i
            inside = x >= n % 4 && x < n % 4 + 4 && y >= n % 3 && y < n % 3 + 3 && z >= n % 2 && z < 4
            value = inside ? 200 + (x + y + z + n) % 3 : 20 + (x * y + n) % 5
            printf("\\0%03o", kind == "mask" ? inside : value)
        }
    }'
}
set=$CAIRN_DATA/set
mkdir -p "$set/imagesTr" "$set/labelsTr"
for n in 0 1 2 3 4 5 6 7 8 9 10 11; do
    { upright; printf %b "$(voxels $n image)"; } >"$set/imagesTr/v$n.nii"
    { upright; printf %b "$(voxels $n mask)"; } >"$set/labelsTr/v$n.nii"
    echo "{\"image\": \"./imagesTr/v$n.nii\", \"label\": \"./labelsTr/v$n.nii\"}"
done | paste -sd, | sed 's/.*/{"labels": {"0": "background", "1": "block"}, "training": [&]}/' >"$set/dataset.json"
for n in 0 1 2 3 4 5 6 7 8; do echo v$n; done >"$set/train.txt"
for n in 9 10 11; do echo v$n; done >"$set/test.txt"
cat >"$tmp/volumes.yaml" <<'END'
name: volumes
backend: {threads: 1}
preprocess: {source: {format: nifti, root: set}, equal: allow, intensity: {kind: range, low: 0, high: 255}}
transfer-unet: {model: {channels: [4, 8]}, loss: {bce: {}}, train: {epochs: 12, batch: 3, lr: 0.03}}
evaluate: {metrics: [dice, hd95], save: [predictions]}
END
for stage in preprocess transfer-unet evaluate; do
    "$BUILD/$stage" "$tmp/volumes.yaml" -q >"$tmp/id" 2>"$tmp/err" || echo "# $(cat "$tmp/err")"
done
model=$(output_of transfer-unet)
is "a model of volumes has learned something" 1 "$(sql "SELECT value > 0.5 FROM metric JOIN run ON id = run
    WHERE stage = 'evaluate' AND name = 'test/dice/block' AND step = -1")"
is "and knows how far its voxels are apart" "spacing.d=3 spacing.h=2 spacing.w=1" \
    "$(grep '^spacing[.]' "$(object "$model" model.txt)" | paste -sd' ')"

# ---- as the evaluation, with the file's geometry ----------------------------------------------------
predict "$model" "$set/imagesTr/v9.nii" "$set/imagesTr/v10.nii" "$set/imagesTr/v11.nii" -o "$tmp/new" --probabilities \
    >"$tmp/said" 2>"$tmp/err"
is "volumes are predicted" 0 $?
is "with nothing to say but what was made" "" "$(cat "$tmp/err")"
is "by which model, of which file" "$(for n in 9 10 11; do
    echo "$model $set/imagesTr/v$n.nii $tmp/new/v$n.nii.gz"; done)" "$(cat "$tmp/said")"
# the cases in the order of the list; right, anterior, superior are the file's own axes
tail -c 720 "$(object "$(output_of evaluate)" predictions.safetensors)" >"$tmp/evaluated"
is "each is what the evaluation predicted" "$(cksum <"$tmp/evaluated")" \
    "$(for n in 9 10 11; do gunzip -c "$tmp/new/v$n.nii.gz" | tail -c +353; done | cksum)"
is "which has both classes" "0 1" "$(od -An -v -tu1 -w1 "$tmp/evaluated" | tr -d ' ' | sort -u | paste -sd' ')"
geometry() { # of a header: dim, pixdim but for its first, units, forms
    { tail -c +41 | head -c 288; } <"$1" | od -An -v -tu1 -w1 | awk 'NR <= 16 || (NR > 40 && NR <= 68) || NR == 84 || NR > 212'
}
gunzip -c "$tmp/new/v9.nii.gz" >"$tmp/mask.nii"
is "the mask has the file's geometry" "$(geometry "$set/imagesTr/v9.nii" | cksum)" "$(geometry "$tmp/mask.nii" | cksum)"
is "and a byte a voxel" "592 2 8" "$(wc -c <"$tmp/mask.nii") $(od -An -tu2 -j70 -N4 "$tmp/mask.nii" | xargs)"
is "probabilities have its voxels" 1 "$(grep -c 'shape":\[5,6,8,1\]' "$tmp/new/v9.safetensors")"

# ---- another orientation ----------------------------------------------------------------------------
{ mirrored; printf %b "$(voxels 9 backwards)"; } >"$tmp/mirrored.nii"
gzip -nk "$tmp/mirrored.nii"
mv "$tmp/mirrored.nii.gz" "$tmp/packed.nii.gz"
predict "$model" "$tmp/mirrored.nii" "$tmp/packed.nii.gz" -o "$tmp/turned" -q >"$tmp/said"
is "a packed file's mask is NAME.nii.gz, too" "$tmp/turned/packed.nii.gz" "$(tail -n1 "$tmp/said" | cut -d' ' -f3)"
is "and equal" "$(cksum <"$tmp/turned/mirrored.nii.gz")" "$(cksum <"$tmp/turned/packed.nii.gz")"
gunzip -c "$tmp/turned/mirrored.nii.gz" >"$tmp/turned.nii"
is "the mask of a mirrored file is the mirrored mask" \
    "$(tail -c +353 "$tmp/mask.nii" | od -An -v -tu1 -w8 | awk '{ for (i = 8; i; i--) printf("%d%s", $i, i > 1 ? " " : "\n") }' | cksum)" \
    "$(tail -c +353 "$tmp/turned.nii" | od -An -v -tu1 -w8 | awk '{ $1 = $1; print }' | cksum)"
is "where the mirrored file lies" "$(geometry "$tmp/mirrored.nii" | cksum)" "$(geometry "$tmp/turned.nii" | cksum)"

# ---- what is refused, before anything is written ----------------------------------------------------
refused "no volume for a model of volumes" 65 "evaluate: '$here/predict.sh': not a NIfTI-1 file" \
    predict "$model" "$set/imagesTr/v9.nii" "$here/predict.sh" -o "$tmp/none"
refused "a volume that is cut short" 65 "evaluate: '$tmp/cut.nii': the file is too short for 8 x 6 x 5 voxels of 1 bytes at 352" \
    sh -c "head -c 500 '$set/imagesTr/v9.nii' >'$tmp/cut.nii'; '$BUILD/evaluate' predict $model '$tmp/cut.nii' -o '$tmp/none'"
cp "$set/imagesTr/v9.nii" "$tmp/packed.nii"
refused "two files that would become one" 64 \
    "evaluate: '$tmp/packed.nii' and '$tmp/packed.nii.gz' would both become '$tmp/none/packed.nii.gz'" \
    predict "$model" "$tmp/packed.nii" "$tmp/packed.nii.gz" -o "$tmp/none"
refused "a volume that would be overwritten" 64 "evaluate: '$tmp/packed.nii.gz' would be overwritten by '$tmp/packed.nii.gz'" \
    predict "$model" "$tmp/packed.nii.gz" -o "$tmp"
refused "a missing volume" 66 "evaluate: cannot open '$tmp/no.nii': No such file or directory" \
    predict "$model" "$tmp/no.nii" -o "$tmp/none"
cat >"$tmp/flat.yaml" <<'END'
name: flat
backend: {threads: 1}
preprocess:
  source: {format: nifti, root: set}
  equal: allow
  size: [1, 6, 8]
  intensity: {kind: range, low: 0, high: 255}
train-vae: {model: {latent_channels: 2, hidden: 4, label_channels: 0}, train: {epochs: 1, batch: 3}}
transfer-unet: {model: {channels: [4, 8]}, loss: {bce: {}}, train: {epochs: 1, batch: 3}}
END
for stage in preprocess train-vae transfer-unet; do
    "$BUILD/$stage" "$tmp/flat.yaml" -q >"$tmp/id" 2>"$tmp/err" || echo "# $(cat "$tmp/err")"
done
picture=$(object "$(output_of preprocess)" dataset.safetensors)
refused "a model of single slices" 65 \
    "evaluate: the model is for single slices of volumes; one for images or for volumes of several slices expected" \
    predict "$(output_of transfer-unet)" "$picture" -o "$tmp/none"
refused "nor does one encode" 65 "evaluate: the model is for single slices of volumes; one for images expected" \
    "$BUILD/evaluate" encode "$(output_of train-vae)" "$picture" -o "$tmp/none"
"$BUILD/preprocess" "$tmp/flat.yaml" --set preprocess.intensity.kind=none -q >/dev/null
refused "a VAE of values beyond 0 and 1" 78 \
    "train-vae: case 'v0' has the value 202, but the model's images are 0 to 1 (preprocess.intensity: percentile or range)" \
    "$BUILD/train-vae" "$tmp/flat.yaml" --set preprocess.intensity.kind=none
is "none of these made anything" no "$([ -e "$tmp/none" ] && echo yes || echo no)"
done_testing
