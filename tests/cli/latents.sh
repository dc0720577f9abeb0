# evaluate encode and decode: images to latents and back, as the evaluation has them.
. tests/cli/lib.sh
object() { # ARTIFACT NAME: the path of one of its files
    hash=$(awk -v name="$2" '$3 == name { print $1 }' "$CAIRN_LAB/objects/$(echo "$1" | sed 's,^..,&/,')")
    echo "$CAIRN_LAB/objects/$(echo "$hash" | sed 's,^..,&/,')"
}
output_of() { sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = '$1' ORDER BY id DESC LIMIT 1"; }
newest() { sql "SELECT max(id) FROM run WHERE stage = '$1'"; }
run() { # FILE STAGE ...
    file=$1 && shift
    for stage; do "$BUILD/$stage" "$file" -q >"$tmp/id" 2>"$tmp/err" || echo "# $(cat "$tmp/err")"; done
}
encode() { "$BUILD/evaluate" encode "$@"; }
decode() { "$BUILD/evaluate" decode "$@"; }
header() { head -c "$(($(od -An -tu4 -N4 "$1") + 8))" "$1" | tail -c +9 | sed 's/ *$//'; }
data() { tail -c "+$(($(od -An -tu4 -N4 "$1") + 9))" "$1" | od -An -v -tx1 | md5sum; }

# ---- a conditional model ----------------------------------------------------------------------------
sed 's/^name.*/&\nbackend: {threads: 1}/' tests/cli/small.yaml >"$tmp/small.yaml"
run "$tmp/small.yaml" preprocess train-classifier train-vae evaluate
model=$(output_of train-vae) number=$(newest train-vae)
runs=$(sql "SELECT count(*) FROM run")
encode "$(echo "$model" | cut -c1-12)" --split test -o "$tmp/new/test" -q >"$tmp/said" 2>"$tmp/err"
is "a split is encoded, with nothing to say but what was made" "0 $model $tmp/new/test/latents.safetensors" \
    "$? $(cat "$tmp/said" "$tmp/err")"
latents=$tmp/new/test/latents.safetensors
is "a row a case, of latent_channels each" \
    '"labels":{"dtype":"I32","shape":[100],"data_offsets":[0,400]},"z_logvar":{"dtype":"F32","shape":[100,4],"data_offsets":[400,2000]},"z_mean":{"dtype":"F32","shape":[100,4],"data_offsets":[2000,3600]}}' \
    "$(header "$latents" | sed 's/^{"__metadata__":{[^}]*},//')"
is "with the model and the cases' ids" "{\"__metadata__\":{\"model\":\"$model\",\"names\":\"$(
    seq -f 'test-%05g' 0 99 | paste -sd'|' | sed 's/|/\\u000a/g')\"}," "$(header "$latents" | sed 's/},.*/},/')"
encode "$number" --split test -o "$tmp/again" --threads 2 >/dev/null
holds "the same again gives the same bytes" cmp "$latents" "$tmp/again/latents.safetensors"
encode "$number" --split train -o "$tmp/train" >/dev/null
is "another split is another" different "$(cmp -s "$latents" "$tmp/train/latents.safetensors" || echo different)"

decode "$model" "$latents" -o "$tmp/images" -q >"$tmp/said" 2>"$tmp/err"
is "latents are decoded to a picture each" "0 100 $model test-00042 $tmp/images/test-00042.png" \
    "$? $(find "$tmp/images" -name '*.png' | wc -l) $(sed -n 43p "$tmp/said")"
is "no run is made" "$runs" "$(sql "SELECT count(*) FROM run")"
# The first of the evaluation's reconstructions is of the first case of class 0, then of class 1 ...
cat >"$tmp/shown.py" <<'END'
import json, struct, sys, zlib
def tensors(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(n)), f.read()
    return {k: (v["shape"], data[slice(*v["data_offsets"])]) for k, v in header.items() if k != "__metadata__"}
def png(path):
    b, at, packed = open(path, "rb").read(), 8, b""
    while at < len(b):
        n, kind = struct.unpack(">I4s", b[at:at + 8])
        packed += b[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += n + 12
    w, h, bits, colour = struct.unpack(">IIBB", b[16:26])
    assert (bits, colour) == (8, 0)
    raw, out, above = zlib.decompress(packed), [], [0] * w
    for y in range(h):
        kind, line, left = raw[y * (w + 1)], [], [0, 0]
        for x in range(w):
            a, u, c = (line[x - 1] if x else 0), above[x], (above[x - 1] if x else 0)
            p = a + u - c
            paeth = min((abs(p - a), 0, a), (abs(p - u), 1, u), (abs(p - c), 2, c))[2]
            line.append((raw[y * (w + 1) + 1 + x] + [0, a, u, (a + u) // 2, paeth][kind]) % 256)
        out += line
        above = line
    return bytes(out)
latents, pictures, folder = tensors(sys.argv[1]), tensors(sys.argv[2]), sys.argv[3]
labels = struct.unpack("<100i", latents["labels"][1])
turns = {k: [i for i in range(100) if labels[i] == k] for k in range(4)}
cases = [turns[k][nth] for nth in range(5) for k in range(4)]
shown = pictures["reconstructions"][1]
print(sum(png("%s/test-%05d.png" % (folder, i)) == shown[k * 256:(k + 1) * 256] for k, i in enumerate(cases)))
END
if command -v python3 >/dev/null; then
    is "which are the evaluation's reconstructions, pixel for pixel" 20 \
        "$(python3 "$tmp/shown.py" "$latents" "$(object "$(output_of evaluate)" pictures.safetensors)" "$tmp/images")"
else
    skip "which are the evaluation's reconstructions, pixel for pixel" "no python3"
fi
decode "$model" "$latents" -o "$tmp/rings" --label ring >/dev/null
decode "$model" "$latents" -o "$tmp/ones" --label 1 >/dev/null
is "a class has a name and a number" "" "$(diff -rq "$tmp/rings" "$tmp/ones")"
label_of() { tail -c "+$(($(od -An -tu4 -N4 "$latents") + 9 + 4 * ${1#0}))" "$latents" | od -An -td4 -N4 | tr -d ' '; }
is "another label makes another image, its own the same" "" "$(for i in 07 11 12 13 14; do
    cmp -s "$tmp/images/test-000$i.png" "$tmp/rings/test-000$i.png" && same=1 || same=0
    [ "$(label_of $i)" = 1 ] && own=1 || own=0
    [ $same = $own ] || echo "$i: label $(label_of $i), same $same"; done)"

# ---- pictures and lists -----------------------------------------------------------------------------
a=$tmp/images/test-00000.png b=$tmp/images/test-00001.png
encode "$model" "$a" "$b" -o "$tmp/two" --label cross >/dev/null
is "pictures are named by their files" 1 "$(header "$tmp/two/latents.safetensors" | grep -c '"names":"test-00000\\u000atest-00001"')"
decode "$model" "$tmp/two/latents.safetensors" -o "$tmp/of-file" >/dev/null
decode "$model" "$tmp/two/latents.safetensors" -o "$tmp/of-option" --label cross >/dev/null
is "and keep the label that they were given" "" "$(diff -rq "$tmp/of-file" "$tmp/of-option")"
printf '# pictures\n\ntest-00000.png cross\n%s\t3\r\n' "$b" >"$tmp/images/list.txt"
encode "$model" "$tmp/images/list.txt" -o "$tmp/listed" >/dev/null
holds "a list has a picture a line, with its class" cmp "$tmp/two/latents.safetensors" "$tmp/listed/latents.safetensors"
mkdir -p "$tmp/two words"
cp "$a" "$tmp/two words/test-00000.png"
cp "$b" "$tmp/two words/test-00001.png"
for line in 'two words/test-00001.png 3' '"two words/test-00001.png" 3' 'two words/test-00001.png\t3'; do
    printf '\357\273\277two words/test-00000.png\n%b\r\n' "$line" >"$tmp/blanks.TXT"
    encode "$model" "$tmp/blanks.TXT" -o "$tmp/blanks" --label cross >/dev/null
    holds "a path with blanks: $line" cmp "$tmp/two/latents.safetensors" "$tmp/blanks/latents.safetensors"
done
printf 'images/test-00000.png 0\nimages/test-00001.png' >"$tmp/some.txt"
encode "$model" "$tmp/some.txt" -o "$tmp/some" --label 3 >/dev/null
programs=$(cd "$BUILD" && pwd)
(cd "$tmp" && "$programs/evaluate" encode "$model" some.txt -o here --label 3 >/dev/null)
holds "paths begin at the list's folder" cmp "$tmp/some/latents.safetensors" "$tmp/here/latents.safetensors"
is "--label is of those that have none" "00 00 00 00 03 00 00 00" \
    "$(tail -c "+$(($(od -An -tu4 -N4 "$tmp/some/latents.safetensors") + 9))" "$tmp/some/latents.safetensors" | od -An -tx1 -N8 | sed 's/^ //')"

# More than are encoded or decoded together, and few of them.
decode "$model" "$tmp/train/latents.safetensors" -o "$tmp/many" >/dev/null
encode "$model" "$tmp"/many/*.png -o "$tmp/many" --label 2 >/dev/null
few=$(find "$tmp/many" -name '*.png' | sort | tail -n 10)
# shellcheck disable=SC2086
encode "$model" $few -o "$tmp/few" --label 2 >/dev/null
last() { tail -c $((10 * 4 * 4)) "$1" | od -An -v -tx1; } # z_mean of the last ten
is "of many pictures each is itself" "360 $(last "$tmp/few/latents.safetensors")" \
    "$(find "$tmp/many" -name '*.png' | wc -l) $(last "$tmp/many/latents.safetensors")"
cat >"$tmp/far.py" <<'END'
import json, random, struct, sys
draw, rows = random.Random(1), []
for i in range(450):
    rows.append(("r%d" % i, i // 3 % 4, [draw.gauss(0, 4) for _ in range(4)]))
rows = rows[::-1] if sys.argv[2] == "backwards" else rows
if sys.argv[2] in ("3e38", "nan"):
    rows[7][2][2] = float(sys.argv[2])
header = json.dumps({"__metadata__": {"names": "\n".join(r[0] for r in rows)},
                     "labels": {"dtype": "I32", "shape": [450], "data_offsets": [0, 1800]},
                     "z_mean": {"dtype": "F32", "shape": [450, 4], "data_offsets": [1800, 9000]}}).encode()
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(header)) + header)
    f.write(struct.pack("<450i", *(r[1] for r in rows)) + struct.pack("<1800f", *(z for r in rows for z in r[2])))
END
if command -v python3 >/dev/null; then
    for way in forwards backwards; do
        python3 "$tmp/far.py" "$tmp/$way.safetensors" $way
        decode "$model" "$tmp/$way.safetensors" -o "$tmp/$way" >/dev/null
    done
    is "and of many latents, made elsewhere" "450 many " "$(find "$tmp/forwards" -name '*.png' | wc -l) $(
        [ "$(md5sum "$tmp"/forwards/*.png | cut -c1-32 | sort -u | wc -l)" -gt 400 ] && echo many
        ) $(diff -rq "$tmp/forwards" "$tmp/backwards")"
    python3 "$tmp/far.py" "$tmp/wild.safetensors" 3e38
    refused "no code that would overflow is decoded" 65 \
        "evaluate: '$tmp/wild.safetensors': z_mean: number 2 of row 7 is 3e+38, whose square is infinite" \
        decode "$model" "$tmp/wild.safetensors" -o "$tmp/none"
    python3 "$tmp/far.py" "$tmp/wild.safetensors" nan
    refused "nor one that is no number" 65 \
        "evaluate: '$tmp/wild.safetensors': value 30 of tensor 'z_mean' is nan; a finite number expected" \
        decode "$model" "$tmp/wild.safetensors" -o "$tmp/none"
else
    skip "and of many latents, made elsewhere" "no python3"
fi

# ---- pictures as the model saw them -----------------------------------------------------------------
# What a model of shapes predicts, 0 and 1, are pictures and masks of a data set.
cat >"$tmp/shapes.yaml" <<'END'
name: shapes
backend: {threads: 1}
preprocess: {source: {format: shapes, size: 20, classes: 4, train: 60, test: 40}}
transfer-unet: {model: {channels: [4, 8]}, loss: {bce: {}}, train: {epochs: 10, batch: 20, lr: 0.02}}
evaluate: {metrics: [dice]}
END
run "$tmp/shapes.yaml" preprocess transfer-unet evaluate
set=$CAIRN_DATA/set evaluation=$(output_of evaluate) unet=$(output_of transfer-unet)
for i in $(seq 10 39); do
    for part in images masks; do
        mkdir -p "$set/Train/$part" "$set/Test/$part"
        cp "$(object "$evaluation" "prediction-test-000$i.png")" "$set/$([ "$i" -lt 30 ] && echo Train || echo Test)/$part/p$i.png"
    done
done
as_training() { # "sentence" PREPROCESS-KEYS CHANNELS
    cat >"$tmp/folder.yaml" <<END
name: folder
preprocess: {source: {format: folder, root: set}, equal: allow$2}
train-vae: {model: {kind: mlp, latent_channels: 3, hidden: 8, label_channels: 0}, train: {epochs: 2, batch: 4}}
END
    run "$tmp/folder.yaml" preprocess train-vae
    free=$(output_of train-vae)
    encode "$free" --split test -o "$tmp/split" >/dev/null
    encode "$free" "$set"/Test/images/*.png -o "$tmp/files" >/dev/null
    is "$1" "$(data "$tmp/split/latents.safetensors")" "$(data "$tmp/files/latents.safetensors")"
}
as_training "pictures of the model's own size" ""
decode "$free" "$tmp/files/latents.safetensors" -o "$tmp/colour" >/dev/null
is "colour comes back as colour" "0 0 0 20 0 0 0 20 8 2" "$(od -An -tu1 -j16 -N10 "$tmp/colour/p30.png" | sed 's/^ *//;s/  */ /g')"
plain=$free
as_training "pictures that are brought to a size" ", size: [12, 16], aspect: keep"

held_picture >"$tmp/held.png"
shown_picture >"$tmp/shown.png"
encode "$free" "$tmp/held.png" -o "$tmp/turned" >/dev/null
encode "$free" "$tmp/shown.png" -o "$tmp/upright" >/dev/null
clear_picture >"$tmp/clear.png"
encode "$free" "$tmp/clear.png" -o "$tmp/clear" >/dev/null 2>"$tmp/said"
is "transparent pixels are laid over black, with a word" "evaluate: 1 image with transparent pixels, laid over the file's background colour, else black, the first '$tmp/clear.png'" \
    "$(cat "$tmp/said")"
is "as if they were" "$(data "$tmp/upright/latents.safetensors")" "$(data "$tmp/clear/latents.safetensors")"
is "a picture that EXIF turns is encoded as it is shown" "$(data "$tmp/upright/latents.safetensors")" \
    "$(data "$tmp/turned/latents.safetensors")"

# ---- what is refused, before anything is written ----------------------------------------------------
refused "not to decode with" 64 "evaluate: '$unet' is a run of transfer-unet: a model of kind 'unet' can encode and segment, not decode" \
    decode "$unet" "$latents" -o "$tmp/none"
refused "an unknown model" 66 "evaluate: no run '0000000' in lab '$CAIRN_LAB'" encode 0000000 "$a" -o "$tmp/none"
refused "a missing picture" 66 "evaluate: cannot open '$tmp/no.png': No such file or directory" \
    encode "$model" "$a" "$tmp/no.png" -o "$tmp/none" --label 0
refused "a file that is no picture" 65 "evaluate: '$latents': not an image; PNG or JPEG expected" \
    encode "$model" "$a" "$latents" -o "$tmp/none" --label 0
refused "a picture of another size" 65 "evaluate: '$set/Test/images/p30.png': 20x20 pixels, but the model's 16x16 images were not resized" \
    encode "$model" "$set/Test/images/p30.png" -o "$tmp/none" --label 0
refused "an unknown class" 64 "evaluate: no class 'cat'; valid: disc, ring, square, cross, or a number from 0" \
    encode "$model" "$a" -o "$tmp/none" --label cat
refused "also where every line of a list has its own" 64 "evaluate: no class 'cat'; valid: disc, ring, square, cross, or a number from 0" \
    encode "$model" "$tmp/images/list.txt" -o "$tmp/none" --label cat
refused "a number beyond the classes" 64 "evaluate: no class '4'; valid: disc, ring, square, cross, or a number from 0" \
    encode "$model" "$a" -o "$tmp/none" --label 4
refused "one below them" 64 "evaluate: no class '-1'; valid: disc, ring, square, cross, or a number from 0" \
    decode "$model" "$latents" -o "$tmp/none" --label -1
printf '%s\n' "$a 0" "$b 1x" >"$tmp/bad.txt"
refused "an unknown class in a list" 65 "evaluate: line 2 of '$tmp/bad.txt': no class '1x'; valid: disc, ring, square, cross, or a number from 0" \
    encode "$model" "$tmp/bad.txt" -o "$tmp/none"
printf '%s\n' "$a 0 1" >"$tmp/bad.txt"
refused "a line of three fields" 65 "evaluate: line 1 of '$tmp/bad.txt': 3 fields; PATH or PATH CLASS expected, a path with spaces in double quotes" \
    encode "$model" "$tmp/bad.txt" -o "$tmp/none"
printf '#\n\n' >"$tmp/bad.txt"
refused "an empty list" 65 "evaluate: the lists contain no images" encode "$model" "$tmp/bad.txt" -o "$tmp/none"
printf 'a\0b\n' >"$tmp/bad.txt"
refused "a list that is no text" 65 "evaluate: '$tmp/bad.txt' is not a UTF-8 text file: it has a NUL byte" encode "$model" "$tmp/bad.txt" -o "$tmp/none"
refused "a missing list" 66 "evaluate: cannot open '$tmp/no.txt': No such file or directory" encode "$model" "$tmp/no.txt" -o "$tmp/none"
refused "no label" 64 "evaluate: '$a' has no label, which the model needs (--label, or PATH CLASS in a list)" \
    encode "$model" "$a" -o "$tmp/none"
refused "a label for a model without" 64 "evaluate: label '0': the model was trained without labels" \
    encode "$plain" "$set/Test/images/p30.png" -o "$tmp/none" --label 0
refused "also to decode" 64 "evaluate: label '0': the model was trained without labels" \
    decode "$free" "$tmp/files/latents.safetensors" -o "$tmp/none" --label 0
refused "a label for a split" 64 "evaluate: --label: the cases of a split have labels of their own" \
    encode "$model" --split test --label 0 -o "$tmp/none"
refused "an unknown split" 64 "evaluate: --split 'all': train, val or test expected" encode "$model" --split all -o "$tmp/none"
refused "an empty split" 64 "evaluate: --split val: it has no cases" encode "$plain" --split val -o "$tmp/none"
refused "two of one name" 64 "evaluate: two cases are named 'test-00000'" encode "$model" "$a" "$tmp/rings/test-00000.png" -o "$tmp/none" --label 0
cp "$a" "$tmp/$(printf 'x\377')y.png"
refused "a name that is no text" 64 "evaluate: '$(printf 'x\377')y' is not a valid case name: UTF-8 without '/' and line breaks expected" \
    encode "$model" "$tmp/$(printf 'x\377')y.png" -o "$tmp/none" --label 0
refused "latents of another model" 65 "evaluate: '$latents': codes of model '$(echo "$model" | cut -c1-12)', not of '$(echo "$plain" | cut -c1-12)'" \
    decode "$plain" "$latents" -o "$tmp/none"
refused "latents that are a picture" 65 "evaluate: '$a' is truncated or not a safetensors file: header of 727905341920923785 bytes in a file of $(wc -c <"$a")" \
    decode "$model" "$a" -o "$tmp/none"
refused "missing latents" 66 "evaluate: cannot open '$tmp/no.safetensors': No such file or directory" \
    decode "$model" "$tmp/no.safetensors" -o "$tmp/none"
is "none of these made anything" no "$([ -e "$tmp/none" ] && echo yes || echo no)"
usage="evaluate: usage: evaluate encode MODEL (FILE ... | --split SPLIT) -o DIR [OPTION ...]"
refused "no folder" 64 "$usage" encode "$model" "$a"
refused "neither files nor a split" 64 "$usage" encode "$model" -o "$tmp/none"
refused "files and a split" 64 "$usage" encode "$model" "$a" --split test -o "$tmp/none"
refused "nothing to decode" 64 "evaluate: usage: evaluate decode MODEL FILE -o DIR [OPTION ...]" decode "$model" -o "$tmp/none"
holds "evaluate --help says that there are encode and decode" sh -c \
    "'$BUILD/evaluate' --help | grep -q 'evaluate encode MODEL' && '$BUILD/evaluate' --help | grep -q 'evaluate decode MODEL'"
holds "encode --help has its options" sh -c "'$BUILD/evaluate' encode --help | grep -q -- '^  --split SPLIT '"
done_testing
