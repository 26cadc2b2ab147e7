# Signals to vmbox go to PID 1 of the guest: they kill by default, are handled by a trap, and the
# status tells.
. "$BIN/cases/lib.sh"
need_busybox

# start ARGS: vmbox in the background; waits until the guest has said "ready".
start() {
	: > "$WORK/out"
	# A non-interactive shell starts background commands with SIGINT ignored; spawn undoes it.
	"$SPAWN" -t 60 -o "$WORK/out" -e "$WORK/err" sh -c 'echo $$ > pid; exec "$@"' sh \
		"$VMBOX" run "$@" < /dev/null &
	job=$!
	tries=0
	until grep -q ready "$WORK/out"; do
		sleep 0.05
		tries=$((tries + 1))
		if [ $tries -gt $((200 * SLOWER)) ]; then
			fail "the guest does not start"
			break
		fi
	done
	pid=$(cat pid)
}

end() {
	status=0
	wait $job || status=$?
}

for pair in TERM:15 HUP:1 USR1:10 QUIT:3 INT:2; do
	sig=${pair%:*}
	# busybox's shell ignores QUIT; what it execs does not.
	start "$busybox" sh -c 'echo ready; exec sleep 1000'
	kill -$sig "$pid"
	end
	want_status $((128 + ${pair#*:})) "SIG$sig"
done
start "$busybox" sh -c 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.1; done'
kill -TERM "$pid"
end
want_status 5 "a trap for TERM"
grep -q caught "$WORK/out" || fail "the trap did not run"
start "$busybox" sh -c 'trap "echo usr1" USR1; echo ready; n=0; while [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done'
kill -USR1 "$pid"
sleep 0.5
kill -KILL "$pid"
end
grep -q usr1 "$WORK/out" || fail "USR1 did not arrive"
# spinning, not sleeping
start "$busybox" sh -c 'echo ready; while :; do :; done'
kill -TERM "$pid"
end
want_status 143 "TERM to a spinning guest"
# ignored in the guest: a second INT within a second ends vmbox
start "$busybox" sh -c 'trap "" INT; echo ready; while :; do sleep 1; done'
kill -INT "$pid"
sleep 0.2
kill -0 "$pid" 2>/dev/null || fail "one ignored INT ended it"
kill -INT "$pid"
end
[ "$status" != 0 ] || fail "two INTs: status 0"
finish
