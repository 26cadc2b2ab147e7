# What a shell case (tests/guest/cases/*.sh) may use. tests/run-guest runs each with sh, a time
# limit and these variables: VMBOX (the program), BIN (the test programs), WORK (an empty
# directory), CPUS (for --cpus, or empty), SPAWN (tests/guest/tools/spawn.c), SLOWER (a factor
# for time limits). A case ends by `finish`: status 0, or 1 after a line FAIL for each thing
# that was wrong, or 77 by `skip REASON`.
set -u
failures=0 status=0 native_status=0
cd "$WORK" || exit 1

fail() {
	echo "FAIL $1"
	failures=$((failures + 1))
	if [ -s "$WORK/out" ]; then sed 's/^/  out: /' "$WORK/out" | head -n 8; fi
	if [ -s "$WORK/err" ]; then sed 's/^/  err: /' "$WORK/err" | head -n 8; fi
}

skip() {
	echo "$1"
	exit 77
}

finish() {
	[ "$failures" = 0 ]
	exit $?
}

# vm OPTIONS IMAGE ARGS: vmbox run; leaves $status, $WORK/out and $WORK/err. Standard input is
# the caller's.
vm() {
	if [ -n "$CPUS" ]; then set -- --cpus "$CPUS" "$@"; fi
	status=0
	# shellcheck disable=SC2086
	"$VMBOX" run $OPTIONS "$@" > "$WORK/out" 2> "$WORK/err" || status=$?
}

# native PROGRAM ARGS: the same without vmbox: $native_status, $WORK/native.out.
native() {
	native_status=0
	"$SPAWN" -c "$@" > "$WORK/native.out" 2> "$WORK/native.err" || native_status=$?
}

# same NAME: the last vm printed and returned what the last native did.
same() {
	if [ "$status" != "$native_status" ]; then
		fail "$1: status $status, natively $native_status"
	elif ! cmp -s "$WORK/out" "$WORK/native.out"; then
		fail "$1: output differs from native"
		diff "$WORK/native.out" "$WORK/out" | head -n 6
	fi
}

# want_status N NAME
want_status() {
	[ "$status" = "$1" ] || fail "$2: status $status, want $1"
}

# want_out TEXT NAME: exactly this on stdout.
want_out() {
	printf '%s\n' "$1" | cmp -s - "$WORK/out" || fail "$2: not the output wanted, '$1'"
}

# want_error NAME: one line on stderr, `vmbox: what: why`, and nothing on stdout.
want_error() {
	if [ "$(wc -l < "$WORK/err")" != 1 ] || ! grep -q '^vmbox: .*: .' "$WORK/err"; then
		fail "$1: not one line 'vmbox: what: why'"
	elif [ -s "$WORK/out" ]; then
		fail "$1: an error, yet output"
	fi
}

need_busybox() {
	# Not command -v: for busybox's own shell it is no file.
	busybox=
	for dir in $(echo "$PATH" | tr : ' '); do
		if [ -z "$busybox" ] && [ -x "$dir/busybox" ]; then busybox=$dir/busybox; fi
	done
	[ -n "$busybox" ] || skip "no busybox here"
	if ! "$busybox" sh -c 'exec true' 2>/dev/null; then skip "busybox does not run"; fi
	if head -c 4096 "$busybox" | LC_ALL=C grep -q '/ld-[lm]'; then
		skip "busybox here is not a static one"
	fi
}
