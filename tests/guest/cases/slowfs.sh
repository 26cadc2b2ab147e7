# A file system of the host's whose files wait for a server when they are closed: who closes waits
# for the answer, others do not, and a process has ended when its files are written.
. "$BIN/cases/lib.sh"
slowfs=${SPAWN%/*}/slowfs
closing=${SPAWN%/*}/closing
status=0
"$slowfs" "$WORK" -- /bin/true || status=$?
[ "$status" = 0 ] || skip "no seccomp_unotify here"

# closing WHAT: on one vCPU, too. What never returns would keep it for ever: the limit is no measure of speed.
closes() {
	rm -rf "$WORK/src"
	mkdir "$WORK/src"
	status=0
	timeout $((40 * SLOWER)) "$slowfs" "$WORK/src" -- "$@" < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
}

closes "$closing" close "$WORK/src"
want_status 5 "natively"
for what in close dup2 range exec exit broken stuck lost; do
	closes "$VMBOX" run --cpus 1 --bind "$WORK/src:/src:rw" "$closing" "$what" /src
	want_status 5 "$what"
	want_out on "$what"
done

finish
