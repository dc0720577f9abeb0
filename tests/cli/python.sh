# Python reads what we write. CAIRN_PYTHON: an interpreter that has safetensors and numpy (python3).
. tests/cli/lib.sh
python=${CAIRN_PYTHON:-python3}

if ! "$python" -c 'import numpy, safetensors.numpy' 2>/dev/null; then
    skip "datasets and weights read by Python" "$python has no safetensors and numpy (CAIRN_PYTHON names another)"
    done_testing
    exit
fi
object() { # ARTIFACT NAME: the path of one of its files
    hash=$(awk -v name="$2" '$3 == name { print $1 }' "$CAIRN_LAB/objects/$(echo "$1" | sed 's,^..,&/,')")
    echo "$CAIRN_LAB/objects/$(echo "$hash" | sed 's,^..,&/,')"
}
cat >"$tmp/check.py" <<'END'
import hashlib
import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

data, cases, weights = load_file(sys.argv[1]), json.load(open(sys.argv[2])), load_file(sys.argv[3])
images = data["images"]
print(images.shape, images.dtype, data["labels"].shape, data["labels"].dtype, data["masks"].shape)
print(sum(hashlib.sha256(b"1 16 16 1\n" + image.tobytes()).hexdigest() != case["pixels"]
          for image, case in zip(images, cases["cases"])))
print(sum(label != case["label"] for label, case in zip(data["labels"], cases["cases"])))
print(sum(w.size for w in weights.values()), *{str(w.dtype) for w in weights.values()})


def dense(x, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


held_out = [i for i, case in enumerate(cases["cases"]) if case["split"] == "val"]
pixels = images[held_out].reshape(len(held_out), -1) / 255
label = weights["encoder.label.weight"][data["labels"][held_out]]
hidden = np.maximum(dense(np.concatenate([pixels, label], 1), "encoder.hidden"), 0)
z_mean, z_logvar = dense(hidden, "encoder.z_mean"), dense(hidden, "encoder.z_logvar")
kl = 0.5 * (np.exp(z_logvar) + z_mean**2 - 1 - z_logvar).sum(1).mean()
with safe_open(sys.argv[3], "numpy") as file:
    meta = file.metadata()
print(*sorted(meta), meta["model"] == "vae\n" + open(sys.argv[5]).read(), meta["version"])
print(meta["layout"])
print("yes" if abs(kl - float(sys.argv[4])) < 1e-4 * kl else f"no: {kl} and {sys.argv[4]}")
END

dataset=$("$BUILD/preprocess" $here/small.yaml -q)
vae=$("$BUILD/train-vae" $here/small.yaml -q)
kl=$(sql "SELECT value FROM metric WHERE name = 'val/kl' AND step = -1")
"$python" "$tmp/check.py" "$(object "$dataset" dataset.safetensors)" "$(object "$dataset" cases.json)" \
    "$(object "$vae" weights.safetensors)" "$kl" "$(object "$vae" model.txt)" >"$tmp/said" 2>&1
said() { sed -n "$1p" "$tmp/said"; }
is "safetensors reads a dataset" "(500, 16, 16, 1) uint8 (500,) int32 (500, 16, 16)" "$(said 1)"
is "the hash of every image is what cases.json says" 0 "$(said 2)"
is "and so is its label" 0 "$(said 3)"
is "safetensors reads weights, all parameters" "17384 float32" "$(said 4)"
is "which say what model they are of" "layout model version True 1" "$(said 5)"
is "and what their axes are" "$(echo "channels-last; convolutions [out,depth,height,width,in], transposed convolutions" \
    "[in,depth,height,width,out], dense [out,in]; without depth, or all three, where they are 1")" "$(said 6)"
is "the KL term that numpy computes from them is the one that training reported" yes "$(said 7)"
done_testing
