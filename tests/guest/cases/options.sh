# What a guest gets: environment, working directory, identity; and the options that change it.
. "$BIN/cases/lib.sh"
need_busybox

FROM_HOST=secret
export FROM_HOST
vm "$busybox" env < /dev/null
grep -q '^FROM_HOST=' "$WORK/out" && fail "the host's environment leaks"
grep -q '^PATH=/' "$WORK/out" || fail "no PATH"
grep -q '^HOME=/' "$WORK/out" || fail "no HOME"
vm --env A=1 --env B="two words" --env FROM_HOST --env NOT_SET_ANYWHERE "$busybox" env < /dev/null
grep -q '^A=1$' "$WORK/out" || fail "--env A=1"
grep -q '^B=two words$' "$WORK/out" || fail "--env with a space"
grep -q '^FROM_HOST=secret$' "$WORK/out" || fail "--env NAME passes it on"
grep -q '^NOT_SET_ANYWHERE' "$WORK/out" && fail "--env of an unset name sets it"
vm --env A=1 --env A=2 "$busybox" env < /dev/null
[ "$(grep -c '^A=' "$WORK/out")" = 1 ] && grep -q '^A=2$' "$WORK/out" || fail "the last --env wins"
vm --env-host "$busybox" env < /dev/null
grep -q '^FROM_HOST=secret$' "$WORK/out" || fail "--env-host"

vm --cwd /tmp "$busybox" pwd < /dev/null
want_out /tmp "--cwd"
vm --cwd /no/such/dir "$busybox" pwd < /dev/null
want_status 125 "--cwd to nowhere"
want_error "--cwd to nowhere"
cd /
vm "$busybox" pwd < /dev/null
want_out / "cwd of the caller"
cd "$WORK" || exit 1

vm "$busybox" id -u < /dev/null
want_out "$(id -u)" "the invoker's uid"
vm "$busybox" id -g < /dev/null
want_out "$(id -g)" "the invoker's gid"
vm --user 1234:5678 "$busybox" sh -c 'id -u; id -g' < /dev/null
want_out "1234
5678" "--user"

vm "$busybox" sh -c 'echo $$; echo $PPID' < /dev/null
want_out "1
0" "the image is PID 1"
vm "$busybox" uname -s < /dev/null
want_out Linux "uname"
# the rest is killed when the image ends
vm "$busybox" sh -c 'sleep 1000 & (sleep 1000 &) ; echo done' < /dev/null
want_out "done" "background processes"
# the image has its own absolute path, and can run itself again by it
vm "$busybox" sh -c 'readlink /proc/self/exe' < /dev/null
want_out "$(readlink -f "$busybox")" "/proc/self/exe"
vm "$busybox" ls "$busybox" < /dev/null
want_out "$busybox" "the image at its own path"
# nothing of the host is there without --root
vm "$busybox" ls /etc/passwd < /dev/null
[ "$status" != 0 ] || fail "/etc/passwd is there without --root"
for cpus in 1 2; do
	status=0
	"$VMBOX" run --cpus $cpus "$BIN/forktree" 5 < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_out "forktree 5: 63 processes ok" "--cpus $cpus"
	"$VMBOX" run --cpus $cpus "$BIN/procs" 300 < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_out "300 processes ok" "--cpus $cpus"
done

# -i and -t, alone and together
vm -i "$busybox" true < /dev/null
want_status 0 "-i"
vm -it "$busybox" true < /dev/null
want_status 125 "-it without a terminal"
want_error "-it without a terminal"

for bad in robust-list2 robust-list2= robust-list2=0 robust-list2=4095 robust-list2=473x robust-unlock nothing; do
	vm --abi $bad "$busybox" true < /dev/null
	want_status 125 "--abi $bad"
	want_error "--abi $bad"
done
vm --abi robust-list2=463 --abi robust-unlock=waiters "$busybox" true < /dev/null
want_status 0 "--abi"
finish
