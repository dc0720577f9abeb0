# Installed programs find each other under their installed names, and need nothing of the source tree.
. tests/cli/lib.sh
# -o all: what is tested is what was built
odd="$tmp/a b;c&(d)"
holds "make install, wherever that is" make -s BUILD="$BUILD" -o all DESTDIR="$odd" prefix='/us r' install
bin="$odd/us r/bin"
cp $here/small.yaml "$tmp"
cd "$tmp" || exit
"$bin/cairn-ablate" plan small.yaml >"$tmp/rules"
is "the rules of an installed plan name installed programs" "$bin/cairn-evaluate
$bin/cairn-preprocess
$bin/cairn-train-classifier
$bin/cairn-train-vae" "$(sed -n "s/^\t@exec '\([^']*\)'.*/\1/p" "$tmp/rules" | sort)"
is "cairn-experiment runs them and writes the report" "$CAIRN_LAB/reports/small/index.html" \
    "$("$bin/cairn-experiment" small.yaml -q 2>"$tmp/err")"
is "to the end" 4 "$(sql "SELECT count(*) FROM run WHERE status = 'done'")"
PATH=$bin:$PATH
is "also by its name alone" "$CAIRN_LAB/reports/small/index.html" "$(cairn-experiment small.yaml 2>"$tmp/err")"
done_testing
