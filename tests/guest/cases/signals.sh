# Signals to vmbox go to PID 1 of the guest: they kill by default, are handled by a trap, and the
# status tells.
. "$BIN/cases/lib.sh"
need_busybox

# until COMMAND...: at most 30 s.
until_true() {
	tries=0
	until "$@"; do
		sleep 0.05
		tries=$((tries + 1))
		[ $tries -le $((600 * SLOWER)) ] || return 1
	done
}

says() { grep -q "$1" "$WORK/out"; }

# start ARGS: vmbox in the background; waits until the guest has said "ready".
start() {
	: > "$WORK/out"
	# A non-interactive shell starts background commands with SIGINT ignored; spawn undoes it.
	"$SPAWN" -t $((60 * SLOWER)) -o "$WORK/out" -e "$WORK/err" sh -c 'echo $$ > pid; exec "$@"' sh \
		"$VMBOX" run "$@" < hold &
	job=$!
	until_true says ready || fail "the guest does not start"
	pid=$(cat pid)
}

end() {
	status=0
	wait $job || status=$?
}

# Standard input that stays open.
mkfifo hold
exec 9<> hold

for pair in TERM:15 HUP:1 USR1:10 QUIT:3 INT:2; do
	sig=${pair%:*}
	# Not the shell, which ignores QUIT.
	echo ready >&9
	start "$busybox" cat
	kill -$sig "$pid"
	end
	want_status $((128 + ${pair#*:})) "SIG$sig"
done
start "$busybox" sh -c 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.1; done'
kill -TERM "$pid"
end
want_status 5 "a trap for TERM"
grep -q caught "$WORK/out" || fail "the trap did not run"
start "$busybox" sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
kill -USR1 "$pid"
until_true says usr1 || fail "USR1 did not arrive"
kill -KILL "$pid"
end
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
# Two that vmbox has not read yet are one, and of a second much may be gone: again, then.
until_true eval '! kill -INT "$pid" 2> /dev/null'
end
[ "$status" != 0 ] || fail "two INTs: status 0"
finish
