# Links in the lab: what they lead to is somebody else's, and is neither emptied nor written to.
. tests/cli/lib.sh

mkdir "$tmp/theirs"
echo thesis >"$tmp/theirs/thesis.tex"
untouched() { echo "$(ls -A "$tmp/theirs") $(cat "$tmp/theirs/thesis.tex")"; }

"$BUILD/preprocess" $here/small.yaml -q >/dev/null
mkdir "$CAIRN_LAB/reports"
ln -s "$tmp/theirs" "$CAIRN_LAB/reports/small"
is "a report is written where a link stood" "$CAIRN_LAB/reports/small/index.html" \
    "$("$BUILD/report" $here/small.yaml)"
is "and what the link led to is as it was" "thesis.tex thesis" "$(untouched)"
is "the link is gone" no "$([ -L "$CAIRN_LAB/reports/small" ] && echo yes || echo no)"

recipe=$(sql "SELECT recipe FROM run")
ln -s "$tmp/theirs" "$CAIRN_LAB/work/$recipe"
"$BUILD/ablate" plan $here/small.yaml >/dev/null
is "a plan clears the name of a working folder, not what it leads to" "thesis.tex thesis" "$(untouched)"

# Output for a person: the folder may be a link, a file in it is replaced.
model=$("$BUILD/train-vae" $here/small.yaml -q)
mkdir "$tmp/made"
ln -s made "$tmp/here"
for name in latents.safetensors test-00000.png; do
    ln -s "$tmp/theirs/thesis.tex" "$tmp/made/$name"
    ln -s "$tmp/theirs/thesis.tex" "$tmp/made/$name.part"
done
"$BUILD/evaluate" encode "$model" --split test -q -o "$tmp/here" >/dev/null
"$BUILD/evaluate" decode "$model" "$tmp/made/latents.safetensors" -q -o "$tmp/here" >/dev/null
is "encode and decode write into a folder that is a link, and through no link in it" \
    "latents.safetensors test-00000.png thesis.tex thesis" \
    "$(cd "$tmp/made" && find latents.safetensors test-00000.png -type f | tr '\n' ' ')$(untouched)"
done_testing
