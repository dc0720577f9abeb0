# What scripts/bench makes of its measurements, and what it refuses.
. tests/cli/lib.sh

cat >"$tmp/results" <<'END'
small,f32,ours,seconds,0.040
small,f32,ours,seconds,0.010
small,f32,ours,seconds,0.020
small,f32,ours,batch,8
small,f32,ours,forward,0.004
small,f32,ours,forward,0.006
small,f32,ours,peak_bytes,30000000
small,f32,own,own,0.016
small,f32,eager plain,seconds,0.090
small,f32,eager plain,seconds,0.080
small,f32,eager plain,seconds,0.020
small,f32,compile channels-last,seconds,0.050
small,f32,memory,allocated_bytes,40000000
small,f32,recomputed,seconds,0.025
small,f32,recomputed,peak_bytes,20000000
large,bf16,ours,seconds,1.5
large,bf16,own,own,1
side=64,f32,grow,seconds,0.003
side=64,f32,grow,multiply_adds,1500000000
side=64,f32,grow,plan_bytes,7000000
startup,,10,a stage,4.04,9.96
END
scripts/bench-tables "$tmp/results" >"$tmp/tables"
# row HEADING "start of a row": the row below that heading
row() { sed -n "/^### $1/,/^### /p" "$tmp/tables" | grep "^| $2"; }
is "medians of steps, ratio to the convolutions, PyTorch's best of its medians" \
    "| small | f32 | 20.00 | 400.0 | 16.00 | 1.25 | 50.00 | compile channels-last | 2.50 |" \
    "$(row "A step" small)"
is "what was not measured is empty" "| large | bf16 | 1500 |  | 1000 | 1.50 |  |  |  |" "$(row "A step" large)"
is "the median of two is their mean" "| small | f32 | 5.00 |" "$(row "Where" small | cut -c1-22)"
is "memory beside PyTorch's" "0.75 |" "$(row "Memory" small | sed 's/.*| \(0.75 |\)$/\1/')"
is "checkpointing beside what it spares" "| small | f32 | 20.00 | 25.00 | 1.25 | 30 | 20 | 0.50 |  |  |" \
    "$(row "Gradient" small)"
is "growth per multiply-add" "| side=64 | f32 | 3.00 | 1.5 | 2.00 | 7 |" "$(row "How the cost" side)"
is "start-up" "| 10 | a stage | 4.0 | 10.0 |" "$(row "What is known" 10)"
is "growth is no row of the steps" "" "$(row "A step" side)"

sed '/eager\|compile\|memory/d' "$tmp/results" >"$tmp/alone"
is "without PyTorch its figures are left out" 1 \
    "$(scripts/bench-tables "$tmp/alone" | grep -c '^PyTorch is not installed here: our own figures only.$')"

holds "a plot" sh -c 'command -v gnuplot >/dev/null || exit 0
    scripts/bench-plot "$1" >"$1.svg" && grep -q "ms a step" "$1.svg"' - "$tmp/results"
BENCH=most refused "an unknown extent" 64 "bench: BENCH is 'most'; full or quick" scripts/bench
PYTHON=false refused "a Python without PyTorch" 66 "bench: no PyTorch for 'false'" scripts/bench
BUILD=$tmp refused "programs that are not built" 66 \
    "bench: no '$tmp/bench/step' (make bench builds it)" scripts/bench

# ---- the programs -------------------------------------------------------------------------------------
# value KEY: of the last KEY,VALUE lines
value() { sed -n "s/^$1,//p" "$tmp/out"; }
positive() { for key; do value "$key" | awk '{ exit !($1 > 0) }' || echo "$key"; done; }

holds "a step is timed" "$BUILD/bench/step" --model mnist-mlp --threads 1 --seconds 0.01
is "where there is work time passes, and memory is taken" "" "$(positive seconds forward by_data by_filter \
    activation copies loss optimiser plan_bytes peak_bytes resident_bytes)"
is "where there is none, none does" "0.000000 0.000000" "$(value pooling) $(value resampling)"
# A 32-number embedding of 10 labels in each half; 784+32 -> 512 -> 20 twice; 20+32 -> 512 -> 784. Each layer takes
# three products, for 128 cases.
is "it is the model that it says" "868792 332660736" "$(value parameters) $(value multiply_adds)"
holds "another batch and other channels" "$BUILD/bench/step" --model unet16 --threads 1 --side 32 \
    --seconds 0.01 --set train.batch=2 --set "model.channels=[4, 8]"
is "it has those" 2 "$(value batch)"
is "a UNet has norms and pools, and upsamples by convolution" "0.000000" "$(positive norm pooling)$(value resampling)"
# Two images of 32x32: the first convolution (no gradient by data), the top level's others with the head; at 16x16
# the lower level's and the transposed one.
is "and multiplies for them" \
    $((2 * 1024 * (2 * 4 * 27 + 3 * (4 * 36 + 4 * 72 + 4 * 36 + 4)) + 2 * 256 * 3 * (8 * 36 + 8 * 72 + 8 * 16))) \
    "$(value multiply_adds)"
holds "convolutions are timed" "$BUILD/bench/convolutions" --model mnist-mlp --threads 1 --seconds 0.01
is "five layers, each three times" "15 " "$(value calls) $(positive own own_forward own_by_data own_by_filter own_plain)"
refused "an unknown model" 64 "$BUILD/bench/step: no model 'mnist'" "$BUILD/bench/step" --model mnist
refused "an option of no model" 78 \
    "$BUILD/bench/step: --set:1:1: mnist-mlp.train.batch: 0 is out of range (1 to 65536)" \
    "$BUILD/bench/step" --model mnist-mlp --set train.batch=0
holds "calls are timed" "$BUILD/bench/calls" 3 sleep 0.01
is "in milliseconds" "" "$(value median | awk '!($1 >= 10 && $1 < 5000)')$(value p95 | awk '!($1 >= 10)')"
refused "a call that fails" 1 "$BUILD/bench/calls: 'false' failed" "$BUILD/bench/calls" 3 false
done_testing
