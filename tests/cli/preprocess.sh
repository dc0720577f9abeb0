# preprocess on pictures: what it says, what it refuses, and that the same pixels are the same data set.
. tests/cli/lib.sh
CAIRN_DATA=$tmp/data
pets=$tmp/data/pets
mkdir -p "$pets/images" "$pets/annotations/trimaps"

# Colour PNGs of 3x2 pixels, pixel values 40 apart; the second one once more, not compressed; a trimap.
image() { # NUMBER NAME
    case $1 in
    0) data=AAAAF0lEQVR4nGNkYGbj5OTk5ORkkZaWhrAABwoAzNnnokgAAAAASUVORK5CYII= ;;
    1) data=AAAAF0lEQVR4nGPU0Nbj5OTk5ORkkZaWhrAAD3oBRFFI9EEAAAAASUVORK5CYII= ;;
    2) data=AAAAF0lEQVR4nGMMCA7j5OTk5ORkkZaWhrAAF+oBvElqokAAAAAASUVORK5CYII= ;;
    3) data=AAAAF0lEQVR4nGOsqK7j5OTk5ORkkZaWhrAAIFoCNBczJEsAAAAASUVORK5CYII= ;;
    1-again) data=AAAAH0lEQVR4AQEUAOv/ASgrLgkJCQkJCQQbGxsJCQkJCQkPegFEm3zAlQAAAABJRU5ErkJggg== ;;
    esac
    echo "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFN$data" | base64 -d >"$pets/images/$2.jpg"
}
trimap() { # NAME
    echo iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGNkZGRkYfzPAAACMwEJ8Z2t/gAAAABJRU5ErkJggg== |
        base64 -d >"$pets/annotations/trimaps/$1.png"
}
good() {
    number=0
    for name in tom rex kit max; do
        image $number $name
        trimap $name
        number=$((number + 1))
    done
    printf 'tom 1 1 1\nrex 2 2 1\n' >"$pets/annotations/trainval.txt"
    printf 'kit 1 1 1\nmax 2 2 1\n' >"$pets/annotations/test.txt"
}
cat >"$tmp/pets.yaml" <<END
name: pets
preprocess:
  source: {format: oxford-pets, root: pets}
END
pets() { "$BUILD/preprocess" "$tmp/pets.yaml" "$@" 2>"$tmp/said"; }
file_of() { # ARTIFACT NAME
    object=$(grep " $2\$" "$CAIRN_LAB/objects/$(echo "$1" | cut -c1-2)/$(echo "$1" | cut -c3-)" | cut -d ' ' -f 1)
    cat "$CAIRN_LAB/objects/$(echo "$object" | cut -c1-2)/$(echo "$object" | cut -c3-)"
}

good
first=$(pets)
holds "a summary of the data set" grep -x \
    'preprocess: 2 train, 0 val, 2 test cases of 2x3x3, 2 classes, masks of 2 classes' "$tmp/said"
is "integrity.json counts the pixels of the masks" '"train":{"background":6,"foreground":6,"ignore":0},' \
    "$(file_of "$first" integrity.json | grep '"train":{"b')"

image 1-again rex
again=$(pets)
is "another encoding of the same pixels is the same data set" "$first" "$again"
is "although its file was read" 2 "$(sql "SELECT count(*) FROM run WHERE status = 'done'")"
pets >/dev/null
is "what is known is not read again" 2 "$(sql "SELECT count(*) FROM run WHERE status = 'done'")"

other() { # "sentence" LINE --set ...
    sentence=$1 line=$2
    shift 2
    id=$(pets "$@")
    holds "$sentence" grep -x "$line" "$tmp/said"
    [ -n "$id" ] && [ "$id" != "$first" ]
    is "$sentence: another data set" 0 $?
}
other "a size" 'preprocess: 2 train, 0 val, 2 test cases of 4x5x3, .*' --set 'preprocess.size=[4, 5]'
stretched=$id
other "a size, the proportions kept" 'preprocess: 2 train, 0 val, 2 test cases of 4x5x3, .*' \
    --set 'preprocess.size=[4, 5]' --set preprocess.aspect=keep
[ "$id" != "$stretched" ]
is "proportions change the data set" 0 $?
is "what is not picture has no class" '"train":{"background":18,"foreground":12,"ignore":10},' \
    "$(file_of "$id" integrity.json | grep '"train":{"b')"
other "three classes" '.*, masks of 3 classes' --set preprocess.source.target=trimap
other "a boundary without a class" '.*, masks of 2 classes' --set preprocess.source.boundary=ignore
other "cases held out" 'preprocess: 1 train, 1 val, 2 test cases of .*' --set preprocess.split.val=1

refused "one side is no size" 78 \
    "preprocess: $tmp/pets.yaml:3:3: preprocess: size: 1 item given; 2 (height and width) or none expected" \
    "$BUILD/preprocess" "$tmp/pets.yaml" --set 'preprocess.size=[4]'

refused "pictures have no spacing" 78 \
    "preprocess: $tmp/pets.yaml:3:3: preprocess: spacing: for volumes (source.format: nifti) only" \
    "$BUILD/preprocess" "$tmp/pets.yaml" --set 'preprocess.spacing=[1, 1, 1]'
refused "pictures have no intensities" 78 \
    "preprocess: $tmp/pets.yaml:3:3: preprocess: intensity: for volumes (source.format: nifti) and numbers (npy) only" \
    "$BUILD/preprocess" "$tmp/pets.yaml" --set preprocess.intensity.kind=zscore
refused "a test split to be drawn, and one there" 78 \
    "preprocess: cannot hold out 1 cases for the test: the data set has a test split, beginning with 'kit'" \
    "$BUILD/preprocess" "$tmp/pets.yaml" --set preprocess.split.test=1

image 1 kit
refused "an image in two splits" 65 \
    "preprocess: equal: 'train/rex' and 'test/kit' are the same image; 1 image is in more than one split" \
    "$BUILD/preprocess" "$tmp/pets.yaml"
id=$(pets --set preprocess.equal=allow)
is "can be allowed, and is told" '["train/rex","test/kit"]],' \
    "$(file_of "$id" integrity.json | grep rex)"
good

printf 'GIF89a' >"$pets/images/max.jpg"
"$BUILD/preprocess" "$tmp/pets.yaml" >"$tmp/out" 2>"$tmp/said"
is "an image that is none: status 65" 65 $?
holds "it is named" grep "^preprocess: '$pets/images/max.jpg': " "$tmp/said"
id=$(pets --set preprocess.on_bad=skip)
holds "it can be left out" grep -x 'preprocess: 2 train, 0 val, 1 test cases of .*' "$tmp/said"
holds "which is said" grep "^preprocess: 1 case skipped, the first because of 'images/max.jpg': " "$tmp/said"
holds "and kept" sh -c "echo '$(file_of "$id" integrity.json | grep -o '"id":"max","reason"')' | grep max"
rm "$pets/images/max.jpg"
refused "an image that is not there" 66 \
    "preprocess: preprocess: cannot find 'images/max.jpg' in '$pets' (scripts/fetch-data oxford-iiit-pet -d $tmp/data fetches it)" \
    "$BUILD/preprocess" "$tmp/pets.yaml"
id=$(pets --set preprocess.on_bad=skip)
holds "can be left out, too" grep -x "preprocess: 1 case skipped, the first because of 'images/max.jpg': does not exist" "$tmp/said"
good
[ -n "$id" ] && [ "$id" != "$(pets --set preprocess.on_bad=skip)" ]
is "and is in the data set when it is there again" 0 $?
printf 'tom 1 3 1\n' >"$pets/annotations/trainval.txt"
refused "a list that is wrong" 65 \
    "preprocess: preprocess: line 1 of '$pets/annotations/trainval.txt': species '3', expected 1 (cat) or 2 (dog)" \
    "$BUILD/preprocess" "$tmp/pets.yaml"
good

"$BUILD/preprocess" $here/small.yaml --set 'preprocess.size=[12, 10]' >"$tmp/out" 2>"$tmp/said"
holds "what is drawn or unpacked comes to a size, too" grep -x \
    'preprocess: 360 train, 40 val, 100 test cases of 12x10x1, 4 classes, masks of 2 classes' "$tmp/said"

# The same pictures as a folder of one's own.
mkdir -p "$pets/masks"
for name in tom rex kit max; do cp "$pets/annotations/trimaps/$name.png" "$pets/masks/${name}_m.png"; done
cut -d ' ' -f 1 "$pets/annotations/trainval.txt" >"$pets/train.txt"
cut -d ' ' -f 1 "$pets/annotations/test.txt" >"$pets/test.txt"
cat >"$tmp/folder.yaml" <<END
name: folder
preprocess:
  source: {format: folder, root: pets, mask_suffix: _m, class_names: [none, pet, rest, edge]}
END
plain=$("$BUILD/preprocess" "$tmp/folder.yaml" 2>"$tmp/said")
holds "a folder of pictures and masks" grep -x \
    'preprocess: 2 train, 0 val, 2 test cases of 2x3x3, masks of 4 classes' "$tmp/said"

# A mask that draws its values 1, 2 and 3 in red, green and blue.
echo iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgMAAADgGo6JAAAADFBMVEUAAAD/AAAA/wAAAP+bwBPcAAAADElEQVR4nGPIYdIBAAF4AJvs+hkYAAAAAElFTkSuQmCC |
    base64 -d >"$pets/masks/tom_m.png"
note='1 mask is of colours from a palette read by index: 1 #ff0000, 2 #00ff00, 3 #0000ff'
again=$("$BUILD/preprocess" "$tmp/folder.yaml" 2>"$tmp/said")
is "a palette of colours is the same data set" "$plain" "$again"
holds "but what stands for what is said" grep -x "preprocess: $note" "$tmp/said"
holds "and kept with the run" sh -c "'$BUILD/registry' show $(sql 'SELECT max(id) FROM run') | grep -F '$note'"

# A picture that EXIF turns, and its mask, which was drawn on what a viewer shows.
turned=$tmp/data/turned
mkdir -p "$turned/images" "$turned/masks"
echo a >"$turned/train.txt"
shown_picture >"$turned/images/a.png"
echo iVBORw0KGgoAAAANSUhEUgAAAAwAAAAUCAAAAACcm4PNAAAAC0lEQVR42mNgGAUAAQQAARmwM5sAAAAASUVORK5CYII= |
    base64 -d >"$turned/masks/a.png"
printf 'name: turned\npreprocess: {source: {format: folder, root: turned}}\n' >"$tmp/turned.yaml"
shown=$("$BUILD/preprocess" "$tmp/turned.yaml" 2>"$tmp/said")
held_picture >"$turned/images/a.png"
again=$("$BUILD/preprocess" "$tmp/turned.yaml" 2>"$tmp/said")
is "a picture that EXIF turns is the one that is shown" "$shown" "$again"
holds "which is said" grep -x "preprocess: 1 image rotated as EXIF says and viewers show it, the first 'images/a.png'" "$tmp/said"
clear_picture >"$turned/images/a.png"
said() { # "sentence" WHAT [--set ...]: the data set, and what becomes of transparent pixels
    sentence=$1 what=$2
    shift 2
    id=$("$BUILD/preprocess" "$tmp/turned.yaml" "$@" 2>"$tmp/said")
    holds "$sentence" grep -x "preprocess: 1 image with transparent pixels, $what (preprocess.transparent), the first 'images/a.png'" "$tmp/said"
}
said "transparent pixels are laid over black" "laid over the file's background colour, else black"
is "as if they were" "$shown" "$id"
said "or over white" "laid over white" --set preprocess.transparent=white
is "which is another data set" different "$([ "$id" = "$shown" ] || echo different)"
said "or are taken as they stand" "treated as opaque" --set preprocess.transparent=none
is "black here" "$shown" "$id"
refused "or refused" 65 "preprocess: '$turned/images/a.png': pixel (0, 0) is not opaque, expected an opaque picture" \
    "$BUILD/preprocess" "$tmp/turned.yaml" --set preprocess.transparent=error
held_picture >"$turned/images/a.png"
echo iVBORw0KGgoAAAANSUhEUgAAABQAAAAMCAAAAABHZ8InAAAADElEQVR42mNgGLkAAAD8AAEy0wUiAAAAAElFTkSuQmCC |
    base64 -d >"$turned/masks/a.png"
refused "a mask that was drawn on the picture as it is stored" 65 \
    "preprocess: '$turned/masks/a.png': 12x20 (height x width), but its image 'images/a.png' is 20x12, rotated as its EXIF says" \
    "$BUILD/preprocess" "$tmp/turned.yaml"
mv "$pets/train.txt" "$pets/test.txt" "$tmp"
cp "$pets/images/rex.jpg" "$pets/images/._rex.jpg"
folder_cases() { # "sentence" LINE --set ...
    sentence=$1 line=$2
    shift 2
    id=$("$BUILD/preprocess" "$tmp/folder.yaml" "$@" 2>"$tmp/said")
    holds "$sentence" grep -x "$line" "$tmp/said"
}
folder_cases "without a list all are for training" 'preprocess: 4 train, 0 val, 0 test cases of .*'
folder_cases "or what is not held out" 'preprocess: 2 train, 1 val, 1 test cases of .*' \
    --set 'preprocess.split={val: 1, test: 1}'
cut -d ' ' -f 1 "$tmp/test.txt" >"$pets/Validation.TXT"
folder_cases "a list of validation alone" 'preprocess: 2 train, 2 val, 0 test cases of .*'
is "its cases are not trained on" '"id":"kit","split":"val" "id":"max","split":"val"' \
    "$(file_of "$id" cases.json | grep -o '"id":"[a-z]*","split":"val"' | tr '\n' ' ' | sed 's/ $//')"
cp "$pets/Validation.TXT" "$pets/test-cases.txt"
refused "what may be a list of the test" 65 "preprocess: preprocess: '$pets/test-cases.txt' seems to list a split, but lists must be called train.txt, val.txt and test.txt; without a train.txt its cases would be used for training" \
    "$BUILD/preprocess" "$tmp/folder.yaml"
rm "$pets/test-cases.txt"
cp "$pets/images/rex.jpg" "$pets/images/rex.tiff"
cp "$pets/masks/rex_m.png" "$pets/masks/rox_m.png"
folder_cases "what is not used is said" "preprocess: not used: 1 mask ('masks/rox_m.png'), 1 folder ('annotations'), 1 other file ('images/rex.tiff')" \
    --set preprocess.split.seed=1
is "and kept with the run" 1 "$(sql "SELECT count(*) FROM event WHERE kind = 'note' AND detail LIKE '%images/rex.tiff%'")"
mkdir -p "$tmp/data/same/images"
cp "$pets/masks/kit_m.png" "$tmp/data/same/images/kit.png"
ln -s images "$tmp/data/same/masks"
refused "images as their own masks" 65 "preprocess: preprocess: '$tmp/data/same/images/kit.png' is its own mask: masks must lie in another folder than images, or have a suffix" \
    "$BUILD/preprocess" "$tmp/folder.yaml" --set 'preprocess.source={format: folder, root: same}'

# Volumes (packed NIfTI) of 4x3x2 voxels of 2, 2 and 2.5 mm, without masks or lists.
mkdir "$tmp/data/scans"
for rest in a:Zg2ogROwAAhFHUNHgBAAA= b:YQG4yYsAIAa6PCLngBAAA= \
    c:aQcGM2YsYGAA5Y2+14AQAA d:ZgmoWFxYgFCwAApL1xXHgBAAA=; do
    echo "H4sIAAAAAAACA4thZCAKMDOwADETAyMUogImBg4w3WAPJBwgWMEBwkfGG5yhagYJYMIn6UCcmAI2dQx52o${rest#*:}" | base64 -d >"$tmp/data/scans/${rest%%:*}.nii.gz"
done
cat >"$tmp/scans.yaml" <<END
name: scans
preprocess:
  source: {format: nifti, root: scans}
  intensity: {kind: percentile, low: 0, high: 100}
  split: {test: 1, val: 1}
END
id=$("$BUILD/preprocess" "$tmp/scans.yaml" 2>"$tmp/said")
holds "a folder of volumes, some held out" grep -x \
    'preprocess: 2 train, 1 val, 1 test cases of 2x3x4 voxels of 2.5x2x2 mm' "$tmp/said"
holds "their spacing is kept" sh -c "echo '$(file_of "$id" cases.json | head -c 80)' | grep -F '\"spacing\":[2.5,2,2]'"
"$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.spacing=[1.25, 2, 2]' --set 'preprocess.size=[4, 4, 4]' \
    >"$tmp/out" 2>"$tmp/said"
holds "at another spacing and size" grep -x \
    'preprocess: 2 train, 1 val, 1 test cases of 4x4x4 voxels of 1.25x2x2 mm' "$tmp/said"
scans="preprocess: $tmp/scans.yaml:3:3: preprocess:"
refused "a volume has three sides" 78 "$scans size: 2 items given; 3 (depth, height and width) or none expected" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.size=[4, 4]'
refused "and three spacings" 78 "$scans spacing: 1 item given; 3 (depth, height and width) or none expected" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.spacing=[4]'
refused "a spacing below a micron is one, though not of these" 65 \
    "preprocess: '$tmp/data/scans/a.nii.gz': 10000 x 12000 x 16000 voxels at a spacing of 0.0005 x 0.0005 x 0.0005 mm; 536870912 at most fit" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.spacing=[0.0005, 5.0e-4, 0.0005]'
refused "a size of too many voxels" 78 "$scans size: 68719476736 voxels; 536870912 at most" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.size=[4096, 4096, 4096]'
refused "percentiles that are none" 78 "$scans intensity: the percentiles 0 and 101 are not from 0 to 100" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set preprocess.intensity.high=101
refused "a range upside down" 78 "$scans intensity: high is 1; more than low, 3, expected" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.intensity={kind: range, low: 3, high: 1}'
refused "statistics of what has none" 78 "$scans intensity: within is for percentile and zscore only" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set 'preprocess.intensity={within: all}'
cp "$tmp/data/scans/a.nii.gz" "$tmp/data/scans/e.nii.gz"
refused "a volume in two splits" 65 \
    "preprocess: equal: 'val/e' and 'test/a' are the same image; 1 image is in more than one split" \
    "$BUILD/preprocess" "$tmp/scans.yaml" --set preprocess.split.test=2
done_testing
