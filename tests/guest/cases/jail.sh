# vmbox confines itself before the guest runs: a filter of system calls and no_new_privs, in every
# thread, and Landlock's trees, within which all works; --no-jail leaves it out.
. "$BIN/cases/lib.sh"
need_busybox

# look OPTION FIELD: the values of a field of /proc/PID/task/*/status while a guest runs.
look() {
	rm -f fifo "$WORK/out"
	mkfifo fifo
	"$VMBOX" run $1 "$busybox" sh -c 'echo up; read x' < fifo > "$WORK/out" 2> "$WORK/err" &
	pid=$!
	exec 9> fifo
	i=0
	while ! [ -s "$WORK/out" ] && [ "$i" -lt $((600 * SLOWER)) ]; do
		i=$((i + 1))
		sleep 0.05
	done
	seen=$(cat /proc/$pid/task/*/status | sed -n "s/^$2:[[:space:]]*//p" | sort -u | tr '\n' ' ')
	exec 9>&-
	wait "$pid"
	status=$?
}

if grep -q 'detect_leaks\|__asan_init\|__tsan_init' "$VMBOX"; then
	skip "a build with a sanitizer is not confined"
fi
outside=$(sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status)
[ -n "$outside" ] || skip "this kernel has no filters"
look "" Seccomp
[ "$seen" = "2 " ] || fail "Seccomp of the threads: '$seen'"
look "" NoNewPrivs
[ "$seen" = "1 " ] || fail "NoNewPrivs of the threads: '$seen'"
look --no-jail Seccomp
[ "$seen" = "$outside " ] || fail "Seccomp with --no-jail: '$seen', outside '$outside'"
# What was given can be used to the full: the tests of --root and --bind run confined, too.
mkdir -p "$WORK/given/sub"
echo given > "$WORK/given/f"
vm --root / --bind "$WORK/given:/mnt:rw" /bin/sh -c 'cd /mnt && cat f && mv f sub/g && ln sub/g h &&
	echo more >> h && : > new && rm new && cat sub/g && cat /etc/passwd > /dev/null' < /dev/null
[ "$status" = 0 ] || fail "confined to --root and --bind: status $status"
[ "$(cat "$WORK/given/sub/g")" = "$(printf 'given\nmore')" ] || fail "confined: what was written is not there"
vm --no-jail --root / /bin/true < /dev/null
want_status 0 "not confined"
finish
