# A file that the host cuts, lengthens again or replaces while a guest has it mapped.
. "$BIN/cases/lib.sh"
mapfile=${SPAWN%/*}/mapfile
mkfifo "$WORK/in" "$WORK/out1"

# What the program answers to one command.
ask() {
	echo "$1" >&3
	IFS= read -r answer <&4
}

# want COMMAND ANSWER...: one of these
want() {
	ask "$1"
	asked=$1
	shift
	for w in "$@"; do
		[ "$answer" != "$w" ] || return 0
	done
	fail "$mode: '$asked' gave '$answer', not one of: $*"
}

# Pages a, b, a, b ... of them 64.
fresh() {
	page=$(printf %4095s '' | tr ' ' .)
	i=0
	while [ $i -lt 32 ]; do printf 'a%sb%s' "$page" "$page"; i=$((i + 1)); done > "$WORK/src/$1"
}

# The same natively and in vmbox. What vmbox has read already it goes on to show.
run() {
	mode=$1
	shift
	mkdir -p "$WORK/src"
	fresh f
	fresh g
	"$@" < "$WORK/in" > "$WORK/out1" 2> "$WORK/err" &
	pid=$!
	exec 3> "$WORK/in" 4< "$WORK/out1"
	IFS= read -r answer <&4
	[ "$answer" = mapped ] || fail "$mode: it does not start"
	want "touch 0" a
	want "touch 1" b
	truncate -s 8192 "$WORK/src/f"
	want "touch 40" bus
	want "touch 1" b
	want "read 40" 0
	want "touch 3" bus b
	want "write 41" bus
	want "write 1" written
	want sync 0
	[ "$(stat -c %s "$WORK/src/f")" = 8192 ] || fail "$mode: the file has grown again"
	[ "$(dd if="$WORK/src/f" bs=4096 skip=1 2> /dev/null | head -c 1)" = w ] || fail "$mode: not written"
	truncate -s 0 "$WORK/src/f"
	want "read 0" 0
	want "touch 50" bus
	mv "$WORK/src/g" "$WORK/src/f"
	want "touch 51" bus
	rm "$WORK/src/f"
	want "touch 52" bus
	echo end >&3
	wait "$pid" || fail "$mode: status $?"
	exec 3>&- 4<&-
}

run native "$mapfile" "$WORK/src/f"
# shellcheck disable=SC2086
run vmbox "$VMBOX" run ${CPUS:+--cpus $CPUS} --bind "$WORK/src:/src:rw" "$mapfile" /src/f
finish
