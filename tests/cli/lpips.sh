# test/lpips: how different an imported network finds the images that a model gives back.
. tests/cli/lib.sh
one='\0\0\200\077' two='\0\0\0\100' zero='\0\0\0\0'
# A network that sees each grey beside a 1, and how much it minds: import FACTOR
import() {
    text='layers=[conv 2 1 1 0, relu]\ntaps=[1]\nmean=[0]\nstd=[1]\ndata.d=1\ndata.h=8\ndata.w=8\ndata.c=1\ndata.classes=0\n'
    header='{"__metadata__":{"convnet":"'$text'"},"features.0.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"features.0.weight":{"dtype":"F32","shape":[2,1,1,1],"data_offsets":[8,16]}}'
    linear='{"lin0.model.1.weight":{"dtype":"F32","shape":[1,2,1,1],"data_offsets":[0,8]}}'
    length=${#header}
    { printf "\\$(printf '%03o' $((length % 256)))\\$(printf '%03o' $((length / 256)))\\0\\0\\0\\0\\0\\0%s" "$header"
        printf "$zero$one$one$zero"; } >"$tmp/net.safetensors"
    { printf "\\$(printf '%03o' ${#linear})\\0\\0\\0\\0\\0\\0\\0%s" "$linear"; printf "$1$1"; } >"$tmp/lin.safetensors"
    "$BUILD/registry" import-weights "$tmp/net.safetensors" "$tmp/lin.safetensors" --as sequence
}
network=$(import "$one")
double=$(import "$two")
cat >"$tmp/l.yaml" <<END
name: lpips
backend: {threads: 1}
preprocess: {source: {format: shapes, size: 16, classes: 4, train: 60, test: 20}, split: {val: 20}}
pretrain-ae: {model: {channels: [2, 4]}, train: {epochs: 1, batch: 20}}
evaluate: {inputs: {lpips: 'artifact:$network'}}
END
for stage in preprocess pretrain-ae; do "$BUILD/$stage" "$tmp/l.yaml" -q >"$tmp/id"; done
value() { # SED SCRIPT METRIC
    sed "$1" "$tmp/l.yaml" >"$tmp/m.yaml"
    "$BUILD/evaluate" "$tmp/m.yaml" -q >"$tmp/id" 2>"$tmp/err" || tail -n 1 "$tmp/err"
    sql "SELECT value FROM metric WHERE name = '$2' AND step = -1 AND run = (SELECT max(id) FROM run WHERE stage = 'evaluate')"
}
once=$(value '' test/lpips)
is "it is measured where there is a network" 1 "$(sql "SELECT $once > 0 AND $once < 2")"
is "for each case" "20 1" "$(sql "SELECT count(*), abs(avg(value) - $once) < 1e-12 FROM case_metric WHERE name = 'test/lpips'" | tr '|' ' ')"
is "with weights twice as large it is twice as much" 1 \
    "$(twice=$(value "s/$network/$double/" test/lpips); sql "SELECT abs($twice - 2 * $once) < 1e-6 * $once")"
# at each pixel 2 - 2 cos of the angle between (x, 1) and (y, 1): less than the squared difference of x and y
is "which is what its angles say" 1 "$(mse=$(value '' test/mse); sql "SELECT $once < $mse AND $once > $mse / 5")"
is "without a network there is none" "" "$(value 's/inputs: {[^}]*}/metrics: []/' test/lpips)"
is "and no trace of it in the recipe" "" "$("$BUILD/registry" show "$(sql 'SELECT max(id) FROM run')" | grep lpips)"
sed 's/inputs: {[^}]*}/metrics: [lpips]/' "$tmp/l.yaml" >"$tmp/none.yaml"
refused "asked for without a network it is an error" 78 \
    "evaluate: $tmp/none.yaml:1:1: evaluate needs inputs: {lpips: artifact:ID}; no section makes one" \
    "$BUILD/evaluate" "$tmp/none.yaml" -q
model=$(sql "SELECT artifact FROM run_output JOIN run ON id = run WHERE stage = 'pretrain-ae'")
sed "s/$network/$model/" "$tmp/l.yaml" >"$tmp/other.yaml"
refused "one that compares nothing is refused" 65 \
    "evaluate: a model of kind 'autoencoder' can encode and reconstruct and give features, not compare" \
    "$BUILD/evaluate" "$tmp/other.yaml" -q
done_testing
