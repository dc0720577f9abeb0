#!/bin/sh
# scripts/fetch-data against a server of our own: sums, mirrors, resuming, archives.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
fetch=$here/scripts/fetch-data
if ! command -v curl >/dev/null || ! command -v python3 >/dev/null; then
    echo "ok 1 - fetch-data # SKIP curl or python3 is not installed"
    exit 0
fi
dir=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill $server 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM # a signal alone would leave it
number=0 failed=0
data=$(cd "${DATA:-$here/data}" 2>/dev/null && pwd)
unset CAIRN_MIRROR DATA

ok() { # CONDITION-STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' "$dir/log"
        failed=1
    fi
}
run() { # expected status, arguments
    expected=$1
    shift
    (cd "$dir" && "$fetch" -t table "$@") >"$dir/out" 2>"$dir/log"
    [ $? -eq "$expected" ]
}
said() { grep -q -e "$1" "$dir/log"; }

# A server that logs where each answer starts, and answers to Range only below /ranges and /cut; from
# there nobody gets more than 50000 bytes at a time.
mkdir -p "$dir/www/ranges" "$dir/www/plain" "$dir/www/wrong" "$dir/www/cut" "$dir/pack/pictures"
cat >"$dir/server.py" <<'PY'
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = os.path.join(sys.argv[1], self.path.lstrip('/'))
        if not os.path.isfile(path):
            return self.send_error(404)
        data, start = open(path, 'rb').read(), 0
        if self.path.startswith(('/ranges', '/cut')) and 'Range' in self.headers:
            start = int(self.headers['Range'].split('=')[1].split('-')[0])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:start + 50000] if self.path.startswith('/cut') else data[start:])
        print(self.path, start, file=open(sys.argv[1] + '.log', 'a'))
    def log_message(self, *a):
        pass
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
mkfifo "$dir/port"
python3 "$dir/server.py" "$dir/www" >"$dir/port" &
server=$!
read -r port <"$dir/port"
base=http://127.0.0.1:$port

seq 1 20000 >"$dir/www/ranges/numbers"
cp "$dir/www/ranges/numbers" "$dir/www/plain/numbers"
cp "$dir/www/ranges/numbers" "$dir/www/cut/numbers"
seq 2 20001 >"$dir/www/wrong/numbers"
echo one >"$dir/pack/pictures/1"
echo none >"$dir/pack/pictures/._1"
tar -czf "$dir/www/plain/pack.tar.gz" -C "$dir/pack" pictures
tar -cf "$dir/www/plain/pack.tar" -C "$dir" pack/pictures/1
head -c 100 "$dir/www/plain/pack.tar.gz" >"$dir/www/wrong/pack.tar.gz"
(cd "$dir/pack/pictures" && python3 -m zipfile -c "$dir/www/plain/pack.zip" 1)
size=$(stat -c %s "$dir/www/ranges/numbers")
sum_of() { echo "$1:$("${1}sum" <"$dir/$2" | cut -d ' ' -f 1)"; }
sum=$(sum_of sha256 www/ranges/numbers)
pack=$(sum_of md5 www/plain/pack.tar.gz)
one=$(sum_of sha256 pack/pictures/1)
cat >"$dir/table" <<E2
# of the test's own server
set ranges
home http://nowhere/ranges
licence as you like, really
file $size $sum set/numbers - $base/ranges/numbers
set plain
file $size $sum set/numbers - $base/plain/numbers
set wrong
file $size $sum set/numbers - $base/wrong/numbers
set mirrors
file $size $sum set/numbers - $base/none/numbers $base/wrong/numbers $base/plain/numbers
set pack
home http://nowhere/pack
licence none
file - $pack set/pictures pictures $base/plain/pack.tar.gz
set two
file $size $sum set/a - $base/plain/numbers
file - $pack set/pictures pictures $base/plain/pack.tar.gz
set gone
file $size $sum set/numbers - $base/none/numbers
set cut
file $size $sum set/numbers - $base/cut/numbers
set cut-mirrors
file $size $sum set/numbers - $base/cut/numbers $base/ranges/numbers
set deep
file - $(sum_of md5 www/plain/pack.tar) deep pack/pictures $base/plain/pack.tar
check $one deep/1
set flat
file - $(sum_of md5 www/plain/pack.zip) flat . $base/plain/pack.zip
check - flat/1
list flat/train.txt a b
list flat/test.txt c
list flatter/test.txt d
set unsummed
file - - free pictures $base/plain/pack.tar.gz
check $one free/1
set damaged
file - - free pictures $base/wrong/pack.tar.gz
set unlike
file - - unlike pictures $base/plain/pack.tar.gz
check $sum unlike/1
set lacking
file - - lacking pictures $base/plain/pack.tar.gz
check $one lacking/2
set elsewhere
file - $pack elsewhere photographs $base/plain/pack.tar.gz
E2
fresh() { rm -rf "$dir/d" && : >"$dir/www.log"; }
same() { cmp -s "$dir/www/ranges/numbers" "$dir/d/set/$1"; }

fresh
run 0 plain -d d && same numbers && [ ! -e "$dir/d/.fetch" ]
ok $? "a file arrives under its name and nothing else stays"
: >"$dir/www.log"
run 0 -d d plain && said "there already" && [ ! -s "$dir/www.log" ]
ok $? "what is there is not fetched again"
echo more >>"$dir/d/set/numbers"
run 65 -d d plain && said "is there with a wrong sum"
ok $? "what is there with a wrong sum is named and left alone"

fresh
run 65 -d d wrong && said "wrong sha256 sum of '$base/wrong/numbers'" && [ ! -e "$dir/d/set/numbers" ] &&
    [ "$(wc -l <"$dir/www.log")" -eq 1 ]
ok $? "a wrong sum is refused"
ls -A "$dir/d/.fetch" >"$dir/log" && [ ! -s "$dir/log" ]
ok $? "and nothing of it is kept"

fresh
run 0 -d d mirrors && same numbers && said "wrong sha256 sum"
ok $? "mirrors are tried in turn"
fresh
run 1 -d d gone && said "cannot fetch 'numbers' of 'gone'"
ok $? "an address that is not there"

fresh
run 1 -d d cut && said "continues after the 50000 bytes that came" && [ ! -e "$dir/d/set/numbers" ]
ok $? "a connection that is cut"
run 1 -d d cut && run 0 -d d cut && same numbers &&
    [ "$(cut -d ' ' -f 2 "$dir/www.log" | tr '\n' ' ')" = "0 50000 100000 " ]
ok $? "and the next tries continue"
fresh
run 0 -d d cut-mirrors && same numbers && grep -qx "/ranges/numbers 50000" "$dir/www.log"
ok $? "and so does the next mirror"

half() { fresh && mkdir -p "$dir/d/.fetch" && head -c 50000 "$dir/www/$1/numbers" >"$dir/d/.fetch/numbers.part"; }
half ranges
run 0 -d d ranges && same numbers && [ "$(cat "$dir/www.log")" = "/ranges/numbers 50000" ]
ok $? "a partial file is continued"
half plain
run 0 -d d plain && same numbers
ok $? "a partial file from a server that cannot continue"
half ranges
cp "$dir/www/ranges/numbers" "$dir/d/.fetch/numbers.part"
run 0 -d d gone && same numbers && [ ! -s "$dir/www.log" ]
ok $? "a file that had come but was not placed"
half ranges
cat "$dir/www/ranges/numbers" "$dir/www/ranges/numbers" >"$dir/d/.fetch/numbers.part"
run 0 -d d ranges && same numbers
ok $? "a partial file that is too long"
half wrong
run 0 -d d ranges && same numbers && said "wrong sha256 sum" && [ "$(wc -l <"$dir/www.log")" -eq 2 ]
ok $? "a damaged partial file is fetched again from its start"

fresh
run 0 -d d pack && [ "$(cat "$dir/d/set/pictures/1")" = one ] && [ ! -e "$dir/d/.fetch" ]
ok $? "an archive is unpacked into its place"
[ "$(ls -A "$dir/d/set/pictures")" = 1 ]
ok $? "without what macOS leaves beside files"
: >"$dir/www.log"
run 0 -d d pack && said "'d/set/pictures' was there already" && [ ! -s "$dir/www.log" ]
ok $? "and not again"
rm "$dir/d/set/pictures/1" && run 0 -d d pack && [ -e "$dir/d/set/pictures/1" ]
ok $? "but an empty folder is none"
fresh
mkdir -p "$dir/d/.fetch/pack.tar.gz.unpacked/pictures" && : >"$dir/d/.fetch/pack.tar.gz.unpacked/pictures/2"
run 0 -d d pack && [ "$(ls -A "$dir/d/set/pictures")" = 1 ]
ok $? "an unpacking that was killed leaves nothing"
fresh
run 0 -d d deep && [ "$(ls -A "$dir/d")" = deep ] && [ "$(ls -A "$dir/d/deep")" = 1 ]
ok $? "a folder deep in an archive"
fresh
mkdir -p "$dir/d/set" && ln -s nowhere "$dir/d/set/pictures"
run 74 -d d pack && said "cannot put 'pack.tar.gz' in its place"
ok $? "a place that cannot be taken"
[ -s "$dir/d/.fetch/pack.tar.gz.part" ] && [ ! -e "$dir/d/.fetch/pack.tar.gz.unpacked" ]
ok $? "loses nothing of what came"

fresh
if command -v unzip >/dev/null; then
    run 0 -d d flat && [ "$(cat "$dir/d/flat/1")" = one ] && [ "$(cat "$dir/d/flat/train.txt")" = "a
b" ] && [ "$(cat "$dir/d/flat/test.txt")" = c ] && [ ! -e "$dir/d/.fetch" ]
    ok $? "a zip without a folder, and lists that it lacks"
else
    number=$((number + 1))
    echo "ok $number - a zip without a folder, and lists that it lacks # SKIP unzip is not installed"
fi
fresh
mkdir "$dir/bin"
for tool in sh dirname awk tr mkdir stat cut md5sum basename ls curl; do ln -s "$(command -v $tool)" "$dir/bin/"; done
(cd "$dir" && PATH=$dir/bin "$fetch" -t table -d d flat 2>log)
[ $? -eq 1 ] && said "unzip is not installed, which 'pack.zip' needs" && [ ! -s "$dir/www.log" ]
ok $? "a zip without unzip is not fetched"

fresh
run 0 -d d unsummed && [ "$(cat "$dir/d/free/1")" = one ] &&
    said "no sum of 'pack.tar.gz' is published: the commit in its address says what it is"
ok $? "an archive of a commit has no sum"
refused() { # NAME, text, sentence
    fresh
    run 65 -d d "$1" && said "$2" && [ "$(ls -A "$dir/d")" = .fetch ] && [ -z "$(ls -A "$dir/d/.fetch")" ]
    ok $? "$3"
}
refused damaged "'$base/wrong/pack.tar.gz' is damaged; thrown away" "but it must be whole"
refused unlike "wrong sha256 sum of 'unlike/1' in 'pack.tar.gz'" "its files must be right"
echo two >"$dir/two"
fresh
run 0 -d d deep && cp "$dir/two" "$dir/d/deep/1" && run 65 -d d deep &&
    said "wrong sha256 sum of 'deep/1' in 'd/deep'" && said "'d/deep' is there, but not whole; move it away"
ok $? "what is there with a wrong file is named and left alone"
refused lacking "'pack.tar.gz' has no 'lacking/2'" "its files must be there"
refused elsewhere "'pack.tar.gz' has no folder 'photographs'" "its folder must be there"
fresh
run 0 -d d two plain && same a && same numbers && [ -f "$dir/d/set/pictures/1" ]
ok $? "several files, several sets"

fresh
(cd "$dir" && CAIRN_MIRROR=$base/plain/ "$fetch" -t table -d d gone 2>log) && same numbers
ok $? "CAIRN_MIRROR replaces the addresses"
fresh
(cd "$dir" && DATA=d "$fetch" -t table plain 2>log) && same numbers
ok $? "DATA is where the data sets are"

run 64 nothing && said "unknown data set 'nothing'; known: ranges plain"
ok $? "an unknown name"
run 64 && run 64 -d && run 64 --what plain
ok $? "wrong usage"
(cd "$dir" && "$fetch" -t table --list) >"$dir/log" 2>&1
said "^ranges  *0.1 MB  http://nowhere/ranges  (as you like, really)$" &&
    said "^pack  *size unknown  http://nowhere/pack  (none)$" && said "^gone  *0.1 MB "
ok $? "--list says name, size, home and licence"
(cd / && "$fetch" --list) >"$dir/log" 2>&1
[ "$(cut -d ' ' -f 1 "$dir/log" | tr '\n' ' ')" = \
    "mnist cifar-10-batches-bin oxford-iiit-pet CamVid Task04_Hippocampus brain-t1 CHASEDB1 " ]
ok $? "--list names the data sets"
awk '
    /^#/ || !NF { next }
    $1 == "set" { set = $2; sets++; next }
    $1 == "home" || $1 == "licence" { if (NF < 2) exit bad = 1; said[set]++; next }
    $1 == "list" { if (index($2, set "/") != 1 || NF < 3) exit bad = 1; next }
    $1 == "check" { if ($2 !~ /^(sha256:[0-9a-f]+|md5:[0-9a-f]+|-)$/ || index($3, set "/") != 1) exit bad = 1; next }
    $1 != "file" || NF < 6 || $2 !~ /^([0-9]+|-)$/ { exit bad = 1 }
    $3 !~ /^(sha256:[0-9a-f]+|md5:[0-9a-f]+|-)$/ { exit bad = 1 }
    $3 ~ /^sha256/ && length($3) != 71 || $3 ~ /^md5/ && length($3) != 36 { exit bad = 1 }
    $3 == "-" && $6 !~ /\/[0-9a-f]+[.]tar[.]gz$/ { exit bad = 1 }
    index($4 "/", set "/") != 1 { exit bad = 1 }
    { for (i = 6; i <= NF; i++) if ($i !~ /^https:/) exit bad = 1; files[set]++ }
    END { if (bad) print "line " NR ": " $0; for (set in files) if (said[set] == 2) good++
          exit bad || good != sets || sets != 7 }' "$here/scripts/data-sets.txt" >"$dir/log"
ok $? "the real table is in order"

# The sums in the real table, where the files are at hand.
original() { # NAME FOLDER FILE...: fetched from a mirror of them, they are the same
    subject=$1 folder=$2
    shift 2
    number=$((number + 1))
    if [ ! -f "$data/$folder/$1" ]; then
        echo "ok $number - the real table's sums of $subject # SKIP no $subject in DATA"
        return
    fi
    number=$((number - 1))
    fresh
    for file; do ln -sf "$data/$folder/$file" "$dir/www/plain/"; done
    (cd "$dir" && CAIRN_MIRROR=$base/plain "$fetch" -d d "$subject" 2>log) &&
        cmp -s "$data/$folder/$1" "$dir/d/$folder/$1"
    ok $? "the real table's sums of $subject"
}
original mnist mnist train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz \
    t10k-labels-idx1-ubyte.gz
original brain-t1 brain-t1/ds002748 sub-62/anat/sub-62_T1w.nii.gz sub-68/anat/sub-68_T1w.nii.gz
echo "1..$number"
exit $failed
