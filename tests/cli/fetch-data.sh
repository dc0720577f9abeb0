#!/bin/sh
# scripts/fetch-data against a server of our own: sums, mirrors, resuming, archives.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
fetch=$here/scripts/fetch-data
if ! command -v curl >/dev/null || ! command -v python3 >/dev/null; then
    echo "ok 1 - fetch-data # skip curl or python3 is not installed"
    exit 0
fi
dir=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill $server 2>/dev/null; rm -rf "$dir"' EXIT
number=0 failed=0
mnist=${DATA:-$here/data}/mnist
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

# A server that logs where each answer starts, and answers to Range only below /ranges.
mkdir -p "$dir/www/ranges" "$dir/www/plain" "$dir/www/wrong" "$dir/pack/pictures"
cat >"$dir/server.py" <<'PY'
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = os.path.join(sys.argv[1], self.path.lstrip('/'))
        if not os.path.isfile(path):
            return self.send_error(404)
        data, start = open(path, 'rb').read(), 0
        if self.path.startswith('/ranges') and 'Range' in self.headers:
            start = int(self.headers['Range'].split('=')[1].split('-')[0])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:])
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
seq 2 20001 >"$dir/www/wrong/numbers"
echo one >"$dir/pack/pictures/1"
tar -czf "$dir/www/plain/pack.tar.gz" -C "$dir/pack" pictures
size=$(stat -c %s "$dir/www/ranges/numbers")
sum=sha256:$(sha256sum <"$dir/www/ranges/numbers" | cut -d ' ' -f 1)
pack=md5:$(md5sum <"$dir/www/plain/pack.tar.gz" | cut -d ' ' -f 1)
cat >"$dir/table" <<E2
# name size sum result addresses
ranges $size $sum set/numbers $base/ranges/numbers
plain $size $sum set/numbers $base/plain/numbers
wrong $size $sum set/numbers $base/wrong/numbers
mirrors $size $sum set/numbers $base/none/numbers $base/wrong/numbers $base/plain/numbers
pack - $pack set/pictures $base/plain/pack.tar.gz
two $size $sum set/a $base/plain/numbers
two - $pack set/pictures $base/plain/pack.tar.gz
gone $size $sum set/numbers $base/none/numbers
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
run 65 -d d wrong && said "wrong sha256 sum of '$base/wrong/numbers'" && [ ! -e "$dir/d/set/numbers" ]
ok $? "a wrong sum is refused"
ls -A "$dir/d/.fetch" >"$dir/log" && [ ! -s "$dir/log" ]
ok $? "and nothing of it is kept"

fresh
run 0 -d d mirrors && same numbers && said "wrong sha256 sum"
ok $? "mirrors are tried in turn"
fresh
run 1 -d d gone && said "cannot fetch 'numbers' of 'gone'"
ok $? "an address that is not there"

half() { fresh && mkdir -p "$dir/d/.fetch" && head -c 50000 "$dir/www/$1/numbers" >"$dir/d/.fetch/numbers.part"; }
half ranges
run 0 -d d ranges && same numbers && [ "$(cat "$dir/www.log")" = "/ranges/numbers 50000" ]
ok $? "a partial file is continued"
half plain
run 0 -d d plain && same numbers
ok $? "a partial file from a server that cannot continue"
half wrong
run 0 -d d ranges && same numbers && said "wrong sha256 sum" && [ "$(wc -l <"$dir/www.log")" -eq 2 ]
ok $? "a damaged partial file is fetched again from its start"

fresh
run 0 -d d pack && [ "$(cat "$dir/d/set/pictures/1")" = one ] && [ ! -e "$dir/d/.fetch" ]
ok $? "an archive is unpacked into its place"
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
(cd / && "$fetch" --list) >"$dir/log" 2>&1 && said "^mnist .*mnist/train-images-idx3-ubyte.gz"
ok $? "--list names MNIST"

# The sums in the real table, where the files are at hand.
name="the real table's sums of MNIST"
if [ -d "$mnist" ]; then
    fresh
    cp "$mnist"/*.gz "$dir/www/plain/"
    (cd "$dir" && CAIRN_MIRROR=$base/plain "$fetch" -d d mnist 2>log) &&
        cmp -s "$mnist/t10k-images-idx3-ubyte.gz" "$dir/d/mnist/t10k-images-idx3-ubyte.gz"
    ok $? "$name"
else
    number=$((number + 1))
    echo "ok $number - $name # skip no MNIST in DATA"
fi
echo "1..$number"
exit $failed
