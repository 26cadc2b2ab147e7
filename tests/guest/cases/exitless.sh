# --exitless: with the poller as busy as it can be, programs that races would hurt behave as ever; the
# statistics tell that calls were answered; a program that sleeps costs nothing.
. "$BIN/cases/lib.sh"

vm --exitless=maybe "$BIN/hello"
want_status 125 "--exitless=maybe"
vm --exitless=off --stats="$WORK/stats" "${SPAWN%/*}/op" getppid 20000 < /dev/null
want_status 0 "--exitless=off"
grep -q '"exitless":{"answered":0,' "$WORK/stats" || fail "--exitless=off: calls were answered"
vm --exitless=on "$BIN/hello"
if [ "$status" = 125 ] && grep -q "not on this KVM" "$WORK/err"; then
	[ "$failures" = 0 ] && exit 0
	finish
fi
want_status 0 "--exitless=on"

# run CPUS PROGRAM...: as natively.
run() {
	cpus=$1
	shift
	for program; do
		native "$BIN/$program"
		vm --exitless=on --cpus "$cpus" "$BIN/$program" < /dev/null
		same "$program on $cpus CPUs"
	done
}

# run_spec CPUS PROGRAM...: those that run in vmbox alone.
run_spec() {
	cpus=$1
	shift
	for program; do
		vm --exitless=on --cpus "$cpus" "$BIN/$program" < /dev/null
		want_status 0 "$program on $cpus CPUs"
	done
}

run 1 forktree fork-cow pipe-basic futex-wait sig-calls sig-regs single-step thr-switch thr-fpu
run 2 forktree thr-switch robust-mutex thr-fork thr-signal thr-exec sig-calls sig-restart-calls vfork-exec exec
run_spec 1 spec-stub-entry
run_spec 2 spec-stub-entry spec-stub spec-channel
run_spec 4 spec-channel-ghost

# counts OPERATION PATTERN SAYING: somewhere among so many of them the poller gets a processor.
counts() {
	for n in 2000 20000 200000 2000000; do
		vm --exitless=on --stats="$WORK/stats" "${SPAWN%/*}/op" "$1" $n < /dev/null
		want_status 0 "$1"
		grep -q "$2" "$WORK/stats" && return
	done
	fail "$3"
}

counts getppid '"exitless":{"answered":[1-9]' "no call was answered"
# Where the stub is privileged it goes on with another process, too.
if "$VMBOX" doctor 2> "$WORK/err" | grep -q "hardware semantics"; then
	counts pipe-pingpong '"frames":[1-9]' "no process went on in the guest after another"
fi
finish
