# The include rules hold in this tree, and the check sees each kind of breach.
n=0
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
trap 'exit 130' HUP INT TERM # a signal alone would leave it

say() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# A copy in which one file has one more line must be refused, naming that line.
refused() { # FILE LINE MESSAGE
    rm -rf "$tree/common" "$tree/stages"
    cp -R common stages "$tree"
    printf '%s\n' "$2" >>"$tree/$1"
    line=$(wc -l <"$tree/$1")
    out=$(scripts/check-includes "$tree") && out="accepted: $out"
    [ "$out" = "$1:$line: $3" ]
    say $? "$1: $2"
    [ "$out" = "$1:$line: $3" ] || printf '%s\n' "$out" | sed 's/^/# /'
}

out=$(scripts/check-includes)
say $? "the tree keeps the rules"
[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/# /'

refused common/base/text.c '#include "store/store.h"' 'base may not include store/store.h'
refused common/config/bind.c '#include "store/store.h"' 'config may not include store/store.h'
refused common/engine/graph.c '#include "config/config.h"' 'engine may not include config/config.h'
refused common/data/formats/idx.c '  #  include "engine/engine.h"' 'data may not include engine/engine.h'
refused common/view/table.c '#include "data/data.h"' 'view may not include data/data.h'
refused common/model/vae.c '#include "view/view.h"' 'model may not include view/view.h'
refused common/model/vae.c '#include "pipeline/pipeline.h"' 'model may not include pipeline/pipeline.h'
refused common/model/vae.c '#include "data/data.h"' 'model may not include data/data.h'
refused common/train/train.c '#include "apply/predict.h"' 'train may not include apply/predict.h'
refused common/commands/model_run.c '#include "report/report.h"' 'commands may not include report/report.h'
refused common/apply/predict.c '#include "train/train_parts.h"' 'train/train_parts.h is private to train'
refused stages/evaluate.c '#include "train-vae.c"' '"train-vae.c" does not name a file as ROOM/FILE'
refused stages/evaluate.c '#include "stages/train-vae.c"' \
    '"stages/train-vae.c" does not name a file as ROOM/FILE'
refused common/model/vae.c '#include "../view/view.h"' \
    '"../view/view.h" does not name a file as ROOM/FILE'
refused common/model/vae.c '#include "model/../view/view.h"' \
    '"model/../view/view.h" does not name a file as ROOM/FILE'
refused common/engine/graph_parts.h '#include <oneapi/dnnl/dnnl.h>' \
    'oneapi/dnnl/dnnl.h is not included here'
refused common/engine/cpu/cpu.c '#include <dnnl.h> // why' 'dnnl.h is not included here'
refused common/store/store.h '#include <sqlite3.h>' 'sqlite3.h is not included here'
refused common/config/tree.c '#include <yaml.h>' 'yaml.h is not included here'
refused common/engine/plan.c '#include <cuda_runtime.h>' 'cuda_runtime.h is not included here'
refused common/engine/ops.def '#include <cudnn.h>' 'cudnn.h is not included here'

# A room that the plan does not know may include nothing.
mkdir "$tree/common/attic"
rm -rf "$tree/common/engine" "$tree/stages"
mkdir "$tree/stages"
echo '#include "base/err.h"' >"$tree/common/attic/x.c"
[ "$(scripts/check-includes "$tree")" = "common/attic/x.c:1: attic may not include base/err.h" ]
say $? "a room of another name"
echo "1..$n"
