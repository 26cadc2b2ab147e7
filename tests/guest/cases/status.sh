# Exit statuses and messages of vmbox itself: 125 for its own errors, 126 not executable, 127 not
# found; the guest's own otherwise.
. "$BIN/cases/lib.sh"

error() { # error STATUS NAME ARGS...
	want=$1 name=$2
	shift 2
	status=0
	"$VMBOX" "$@" < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status "$want" "$name"
	want_error "$name"
}

error 127 "no such file" run /no/such/program
error 127 "no such file, relative" run ./none
error 127 "empty name" run ""
error 126 "a directory" run /tmp
printf 'text\n' > "$WORK/text"
chmod 755 "$WORK/text"
error 126 "text" run "$WORK/text"
: > "$WORK/empty"
chmod 755 "$WORK/empty"
error 126 "an empty file" run "$WORK/empty"
cp "$BIN/hello" "$WORK/plain"
chmod 644 "$WORK/plain"
error 126 "no permission to execute" run "$WORK/plain"
printf '#!/no/such/interpreter\n' > "$WORK/script"
chmod 755 "$WORK/script"
error 127 "a script without interpreter" run "$WORK/script"
[ -f "$BIN/hello.dyn" ] && error 127 "a dynamic program without a root" run "$BIN/hello.dyn"
error 125 "no image" run
error 125 "unknown option" run --no-such-option "$BIN/hello"
error 125 "an option without its value" run --mem
error 125 "bad memory size" run --mem lots "$BIN/hello"
error 125 "too little memory" run --mem 1 "$BIN/hello"
error 125 "no CPUs" run --cpus 0 "$BIN/hello"
error 125 "bad CPUs" run --cpus many "$BIN/hello"
error 125 "a negative number" run --cpus -3 "$BIN/hello"
error 125 "bad user" run --user no-such-user-at-all "$BIN/hello"
error 125 "bad environment" run --env =x "$BIN/hello"
error 125 "unknown command" no-such-command
status=0
"$VMBOX" < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
want_status 125 "no command"
[ -s "$WORK/out" ] && fail "no command: the usage is an error here, not output"
error 125 "stats to nowhere" run --stats=/no/such/dir/file "$BIN/hello"

# options end at IMAGE
vm "$BIN/args" --mem --no-such-option -- --help < /dev/null
want_status 0 "options after the image"
grep -q '^arg --no-such-option$' "$WORK/out" || fail "options after the image are the guest's"
vm "$BIN/hello" < /dev/null
want_out "hello, world" hello
want_status 0 hello
vm --mem 64M "$BIN/hello" < /dev/null
want_out "hello, world" "hello in 64M"

for what in --help --version "run --help"; do
	status=0
	# shellcheck disable=SC2086
	"$VMBOX" $what < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 0 "$what"
	[ -s "$WORK/out" ] && [ ! -s "$WORK/err" ] || fail "$what prints to stdout alone"
done
"$VMBOX" --version > "$WORK/out"
grep -q '^vmbox [0-9]' "$WORK/out" || fail "--version says 'vmbox N'"
"$VMBOX" --help > "$WORK/out"
grep -q 'run' "$WORK/out" && grep -q 'doctor' "$WORK/out" || fail "--help names the commands"
finish
