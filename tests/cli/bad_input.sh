# Bad input: one clear line, the right exit status, and nothing half-written behind it.
. tests/cli/lib.sh

# ---- IDX files, made here: 4 bytes of magic, big-endian sizes, then the elements -------------------
be32() { # NUMBER...
    for n; do
        for shift in 24 16 8 0; do
            printf '%b' "$(printf '\\0%03o' $((n >> shift & 255)))"
        done
    done
}
images() { # COUNT: of 8x8 pixels
    be32 0x803 "$1" 8 8
    head -c $(($1 * 64)) /dev/zero
}
labels() { # COUNT
    be32 0x801 "$1"
    head -c "$1" /dev/zero
}
digits=$tmp/data/digits
mkdir -p "$digits"
train=$digits/train-images-idx3-ubyte
train_labels=$digits/train-labels-idx1-ubyte
test=$digits/t10k-images-idx3-ubyte
good() {
    rm -f "$digits"/*
    images 30 >"$train"
    labels 30 >"$train_labels"
    images 10 >"$test"
    labels 10 >"$digits/t10k-labels-idx1-ubyte"
}
CAIRN_DATA=$tmp/data
sed 's/source: .*/source: {format: idx, root: digits}/; s/split: {val: 40}/split: {val: 5}\n  equal: allow # all are black/' $here/small.yaml >"$tmp/idx.yaml"

bad_data() { # "sentence" STATUS "line"
    refused "$1" "$2" "preprocess: $3" "$BUILD/preprocess" "$tmp/idx.yaml"
    is "$1: nothing is left behind" "" "$(leftovers)"
    good
}

# The beginning of a gz file: its header, a stored block of 1936 bytes, and 45 of these.
{
    printf '\037\213\010\000\000\000\000\000\000\003\001\220\007\157\370'
    images 30 | head -c 45
} >"$tmp/cut.gz"

good
rm "$train"
cp "$tmp/cut.gz" "$train.gz"
bad_data "a truncated gz" 65 "'$train.gz' ends early after 45 bytes, its header promises 1936"
printf '\000\000\010\001' | dd of="$train" conv=notrunc status=none
bad_data "the magic of labels before images" 65 \
    "wrong magic in '$train': found 0x00000801, expected 0x00000803"
echo '<!DOCTYPE html>' >"$train"
bad_data "a web page for images" 65 "wrong magic in '$train': found 0x3c21444f, expected 0x00000803"
labels 29 >"$train_labels"
bad_data "labels of another length" 65 "'$train_labels' has 29 labels for the 30 images of '$train'"
printf '\012' | dd of="$train_labels" bs=1 seek=12 conv=notrunc status=none
bad_data "a label beyond 9" 65 "label 4 in '$train_labels' is 10, expected 0 to 9"
be32 0x803 4000000000 8 8 >"$train"
head -c 1984 /dev/zero >>"$train"
bad_data "four billion images" 65 "'$train' ends early after 2000 bytes, its header promises 256000000016"
rm "$train"
be32 0x803 4000000000 8 8 | gzip -n >"$train.gz"
length=$(wc -c <"$train.gz")
bad_data "four billion packed images" 65 \
    "'$train.gz' cannot hold the 256000000016 bytes that its header promises, it has $length packed"
: >"$train"
bad_data "an empty file" 65 "'$train' is empty"
rm "$test"
bad_data "a missing file" 66 \
    "preprocess: cannot find 't10k-images-idx3-ubyte[.gz]' in '$digits' (scripts/fetch-data mnist -d $CAIRN_DATA fetches it)"
rm -r "$digits"
refused "a missing folder: the message says how to fetch it" 66 \
    "preprocess: preprocess: cannot find 'train-images-idx3-ubyte[.gz]' in '$digits' (scripts/fetch-data mnist -d $CAIRN_DATA fetches it)" \
    "$BUILD/preprocess" "$tmp/idx.yaml"
refused "and so it does when the whole experiment is planned" 66 \
    "ablate: preprocess: cannot find 'train-images-idx3-ubyte[.gz]' in '$digits' (scripts/fetch-data mnist -d $CAIRN_DATA fetches it)" \
    "$BUILD/ablate" plan "$tmp/idx.yaml"
mkdir "$digits"
good
is "after all that good files give a dataset" "0 1" "$("$BUILD/preprocess" "$tmp/idx.yaml" -q >"$tmp/id"; echo $?) $(wc -l <"$tmp/id")"
gzip -f "$train"
"$BUILD/preprocess" "$tmp/idx.yaml" -q >"$tmp/packed"
is "packed, they give the same one" "$(cat "$tmp/id")" "$(cat "$tmp/packed")"

# ---- experiment files -----------------------------------------------------------------------------
CAIRN_LAB=$tmp/lab-config
bad_config() { # "sentence" "what stderr says after the file's name"
    for program in train-vae "ablate plan"; do
        # shellcheck disable=SC2086
        refused "$1 ($program)" 78 "${program%% *}: $tmp/bad.yaml:$2" "$BUILD"/$program "$tmp/bad.yaml"
    done
}
change() { sed "$1" $here/small.yaml >"$tmp/bad.yaml"; }

change 's/^  split/\tsplit/'
bad_config "a tab" "5:1: tab character in the indentation; use spaces"
change '$a name: again'
bad_config "a section twice" "13:1: key 'name' given twice; first at 2:1"
change 's/val: 40/val: 40, val: 50/'
bad_config "a key twice" "5:20: preprocess.split: key 'val' given twice; first at 5:11"
{
    echo 'a: &a [x, x, x, x, x, x, x, x, x]'
    above=a
    for key in b c d e f g h i; do
        echo "$key: &$key [*$above, *$above, *$above, *$above, *$above, *$above, *$above, *$above]"
        above=$key
    done
    cat $here/small.yaml
} >"$tmp/bad.yaml"
bad_config "a bomb of anchors" \
    "6:12: the document expands to more than 100000 values (an alias counts as all it stands for)"
change 's/epochs: 2/epochs: -1/'
bad_config "epochs: -1" "11:19: train-vae.train.epochs: -1 is out of range (1 to 1000000)"
change 's/epochs: 2/lr: fast/'
bad_config "lr: fast" "11:15: train-vae.train.lr: 'fast' is not a number"
change 's/epochs: 2/epoch: 2/'
bad_config "a misspelt key" "11:11: train-vae.train: unknown key 'epoch'; did you mean 'epochs'?"
change 's/^evaluate/evalute/'
bad_config "a misspelt section" "12:1: unknown key 'evalute'; did you mean 'evaluate'?"
: >"$tmp/bad.yaml"
bad_config "an empty file" "1:1: an experiment is a map of keys and stages"
refused "an error in a later section stops the first stage" 78 \
    "preprocess: --set:1:1: train-vae.train.lr: 'fast' is not a number" \
    "$BUILD/preprocess" $here/small.yaml --set train-vae.train.lr=fast
refused "no such experiment file" 66 \
    "train-vae: cannot open '$tmp/none.yaml': No such file or directory" "$BUILD/train-vae" "$tmp/none.yaml"
is "no bad experiment made a lab" "no" "$([ -e "$CAIRN_LAB" ] && echo yes || echo no)"
done_testing
