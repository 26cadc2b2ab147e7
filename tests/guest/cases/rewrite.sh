# --rewrite: the statistics tell that sites were rewritten, and only where they may be; the same
# programs while calls are answered in the guest.
. "$BIN/cases/lib.sh"

# Its programs are of the one architecture where there is something to rewrite.
[ -e "$BIN/rewrite-libc" ] || exit 0

# count: sites that the last run rewrote.
count() {
	sed -n 's/.*"rewritten_sites":\([0-9]*\).*/\1/p' "$WORK/stats"
}

vm --rewrite=maybe "$BIN/hello"
want_status 125 "--rewrite=maybe"
want_error "--rewrite=maybe"
for o in --rewrite=off "--exitless=off --rewrite=auto"; do
	vm $o --stats="$WORK/stats" "$BIN/spec-stub-entry"
	want_status 0 "$o"
	[ "$(count)" = 0 ] || fail "$o: $(count) sites were rewritten"
done
vm --rewrite=on --stats="$WORK/stats" "$BIN/spec-rewrite"
want_status 0 "--rewrite=on"
if [ "$(count)" = 0 ]; then
	# Hardware semantics: there is nowhere to jump to.
	[ "$failures" = 0 ] && exit 0
	finish
fi
vm --rewrite=on --stats="$WORK/stats" "$BIN/rewrite-libc"
want_status 0 "--rewrite=on"
[ "$(count)" -ge 5 ] || fail "--rewrite=on: $(count) sites were rewritten"

# run CPUS PROGRAM...: as natively.
run() {
	cpus=$1
	shift
	for program; do
		native "$BIN/$program"
		vm --exitless=on --rewrite=on --cpus "$cpus" "$BIN/$program" < /dev/null
		same "$program with answers in the guest on $cpus CPUs"
	done
}

run 1 rewrite-regs rewrite-signal
run 2 rewrite-jump rewrite-map rewrite-thread rewrite-libc
finish
