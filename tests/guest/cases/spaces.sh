# Address spaces are switched by the processor's root register, once a switch; and with so few
# identifiers (arm64) that they roll over all the time nothing is seen of another's memory.
. "$BIN/cases/lib.sh"

# number NAME: from the last run's statistics.
number() {
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$WORK/stats"
}

# A switch on x86_64 may come to the root of a process that has ended: then nothing is written.
check() {
	want_out ok "$1"
	want_status 0 "$1"
	switches=$(number mm) writes=$(number root_writes)
	[ "$switches" -ge 10000 ] || fail "$1: only $switches switches"
	case $(uname -m) in
	aarch64) [ "$writes" = "$switches" ] || fail "$1: $writes writes of TTBR0, $switches switches" ;;
	*) [ "$writes" -gt 9000 ] && [ "$writes" -le "$switches" ] || fail "$1: $writes writes, $switches switches" ;;
	esac
}

"$VMBOX" run --cpus 1 --stats="$WORK/stats" "$BIN/isolation" > "$WORK/out" 2> "$WORK/err" || status=$?
check "one CPU"
[ "$(number asid_rollovers)" = 0 ] || fail "one CPU: identifiers rolled over"
case $(uname -m) in
aarch64)
	"$VMBOX" run --cpus 1 --asid-bits 2 --stats="$WORK/stats" "$BIN/isolation" \
		> "$WORK/out" 2> "$WORK/err" || status=$?
	check "3 identifiers"
	[ "$(number asid_rollovers)" -ge 10 ] || fail "3 identifiers: no roll-over"
	vm --cpus 2 --asid-bits 3 "$BIN/forktree" 6
	want_out "forktree 6: 127 processes ok" "forktree, 7 identifiers"
	;;
*)
	vm --asid-bits 2 "$BIN/hello"
	want_status 125 "--asid-bits where there are none"
	want_error "--asid-bits where there are none"
	;;
esac
vm --asid-bits 17 "$BIN/hello"
want_status 125 "--asid-bits 17"
want_error "--asid-bits 17"
finish
