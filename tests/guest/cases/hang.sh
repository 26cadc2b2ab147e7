# A mount of the host's that hangs: who waits for it waits, others go on, and when the guest ends
# vmbox does.
. "$BIN/cases/lib.sh"
need_busybox
hang=${SPAWN%/*}/hang
status=0
"$hang" fsync -- /bin/true || status=$?
[ "$status" = 0 ] || skip "no seccomp_unotify here"
mkdir "$WORK/src"
echo text > "$WORK/src/f"

# hanging CALL ARGS...: vmbox run with ARGS, for which CALL hangs: its status. The call hangs for ever, and so
# would who waits for it: the limit is no measure of speed.
hanging() {
	call=$1
	shift
	status=0
	timeout $((40 * SLOWER)) "$hang" "$call" -- "$VMBOX" run --cpus 2 --bind "$WORK/src:/src:rw" "$busybox" sh -c "$@" \
		< /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
}

# More fsyncs than one mount has workers hang; files are read and written all the same.
hanging fsync '
	for i in 1 2 3 4 5 6; do dd if=/src/f of=/src/f$i conv=fsync 2> /dev/null & done
	sleep 0.3
	cat /src/f
	echo more > /src/g
	exit 7'
want_status 7 "hanging fsyncs"
want_out text "hanging fsyncs"
[ "$(cat "$WORK/src/g")" = more ] || fail "what was written meanwhile is not there"

# One that is killed goes at once.
hanging fsync 'dd if=/src/f of=/src/k conv=fsync & sleep 0.2; kill -9 $!; wait $!; echo $?'
want_status 0 "a killed fsync"
want_out 137 "a killed fsync"

# A write hangs with its vCPU: the others go on, and vmbox ends.
hanging pwrite64 'echo more > /src/f & sleep 0.3; cat /src/g; exit 5'
want_status 5 "a hanging write"
want_out more "a hanging write"
finish
