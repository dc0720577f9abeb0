# registry import-weights: files become an artifact that is called by its id, once, and are looked at.
. tests/cli/lib.sh
# A safetensors file: the header behind its length, then FLOATS zeros.
tensors() { # FILE HEADER FLOATS
    length=${#2}
    printf "\\$(printf '%03o' $((length % 256)))\\$(printf '%03o' $((length / 256)))\\0\\0\\0\\0\\0\\0%s" "$2" >"$1"
    head -c $(($3 * 4)) /dev/zero >>"$1"
}
text='layers=[conv 2 1 1 0, relu]\ntaps=[1]\nmean=[0]\nstd=[1]\ndata.d=1\ndata.h=8\ndata.w=8\ndata.c=1\ndata.classes=0\n'
header='{"__metadata__":{"convnet":"'$text'"},"features.0.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"features.0.weight":{"dtype":"F32","shape":[2,1,1,1],"data_offsets":[8,16]}}'
tensors "$tmp/net.safetensors" "$header" 4

id=$("$BUILD/registry" import-weights "$tmp/net.safetensors" --as sequence 2>"$tmp/err")
is "weights are imported into a lab that was not there" "0 64" "$? ${#id}"
is "as the result of a run" "import-weights done model $id" \
    "$(sql "SELECT stage, status, port, artifact FROM run JOIN run_output ON run = id" | tr '|' ' ')"
is "whose recipe has the file's hash" "source weights.1 $(sha256sum <"$tmp/net.safetensors" | cut -d' ' -f1)" \
    "$("$BUILD/registry" show "$id" 2>/dev/null | grep -o 'source weights.*')"
cp "$tmp/net.safetensors" "$tmp/copy.safetensors"
is "the same again is known, also in another place" "$id 1" \
    "$("$BUILD/registry" import-weights "$tmp/copy.safetensors" --as sequence) $(sql 'SELECT count(*) FROM run')"
is "no object is damaged" "" "$(damaged)"
holds "the registry is sound" "$BUILD/registry" verify -q

refused "it has to be said what they are" 64 "registry: import-weights: --as NAME says what FILE is" \
    "$BUILD/registry" import-weights "$tmp/net.safetensors"
refused "by a name that is known" 64 "registry: 'resnet' is not known; vgg16, alexnet or sequence expected" \
    "$BUILD/registry" import-weights "$tmp/net.safetensors" --as resnet
refused "a file of another network is refused" 65 "registry: 'features.0.weight' is not of the shape [64,3,3,3]" \
    "$BUILD/registry" import-weights "$tmp/net.safetensors" --as vgg16
refused "a missing file is named" 66 "registry: cannot open '$tmp/none': No such file or directory" \
    "$BUILD/registry" import-weights "$tmp/none" --as vgg16
refused "other commands have no --as" 64 "registry: --as: only import-weights has it" "$BUILD/registry" ls --as vgg16
head -c 200 "$tmp/net.safetensors" >"$tmp/cut.safetensors"
"$BUILD/registry" import-weights "$tmp/cut.safetensors" --as sequence >"$tmp/out" 2>"$tmp/err"
is "a file that is cut short is refused" "65 1" "$? $(wc -l <"$tmp/err")"
done_testing
