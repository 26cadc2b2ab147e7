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
chmod 755 "$WORK/src/f"

# hanging CALL ARGS...: vmbox run with ARGS, for which CALL hangs: its status. The call hangs for ever, and so
# would who waits for it: the limit is no measure of speed.
hanging() {
	call=$1
	shift
	status=0
	timeout $((40 * SLOWER)) "$hang" "$call" -- "$VMBOX" run --cpus 1 --bind "$WORK/src:/src:rw" "$busybox" sh -c "$@" \
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

# Whatever the host does not answer: on one vCPU too the others go on, and vmbox ends. The write
# that tells so is to a pipe: it ends before the guest does.
for what in 'lookup ls -d /src/f' 'lookup exec /src/f' 'open cat /src/f' 'open exec /src/f' \
	'getdents64 ls /src' 'mkdirat mkdir /src/dir' \
	'pwrite64 dd if=/dev/zero of=/src/f bs=1 count=1 conv=notrunc' 'pwrite64 cat /proc/self/exe > /src/new'; do
	call=${what%% *}
	try=${what#* }
	hanging "$call" "($try) & for i in 1 2 3 4 5; do echo on | cat; done; (echo and on); exit 5"
	want_status 5 "a hanging $call"
	want_out "on
on
on
on
on
and on" "a hanging $call"
done

# The same for one process and what it does; and it can be killed meanwhile.
for what in 'lookup exec' 'open exec' 'pwrite64 write' 'pwrite64 sendfile' 'pwrite64 splice' \
	'pwrite64 copy_file_range' 'ftruncate truncate' 'pwrite64 read' 'pwrite64 fdinfo' 'pwrite64 flags' \
	'lookup connect' 'lookup bind' 'lookup sendto' 'lookup sendmmsg'; do
	status=0
	file=/src/new
	case $what in
	*exec | *copy*) file=/src/f ;;
	esac
	timeout $((40 * SLOWER)) "$hang" "${what% *}" -- "$VMBOX" run --cpus 1 --bind "$WORK/src:/src:rw" \
		"${hang%/*}/hung" -k "${what#* }" "$file" < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 5 "hung $what"
	want_out on "hung $what"
done

# What mappings have changed is written when the last who holds the file lets go of it: he waits, and
# nobody else. When the guest has ended vmbox asks the host for a while, and says what is missing.
status=0
timeout $((40 * SLOWER)) "$hang" pwrite64 -- "$VMBOX" run --cpus 1 --bind "$WORK/src:/src:rw" --bind "${hang%/*}:/tools" "$busybox" sh -c '
	for w in munmap close mapexec exit; do
		/tools/hung -k $w /src/$w || [ $? = 5 ] || echo $w
	done
	/tools/hung exit /src/last
	echo $?' < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
want_status 0 "mappings of what hangs"
want_out "on
on
on
on
on
5" "mappings of what hangs"
grep -q 'does not answer' "$WORK/err" || fail "mappings of what hangs: nobody says so"

# What one that the end of the guest ends has written to a mapping is there.
for what in stay exit; do
	rm -f "$WORK/src/map"
	status=0
	"$VMBOX" run ${CPUS:+--cpus $CPUS} --bind "$WORK/src:/src:rw" "${hang%/*}/hung" $what /src/map > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 5 "a mapping and $what"
	[ "$(od -An -tu1 -N1 "$WORK/src/map" | tr -d ' ')" = 1 ] || fail "a mapping and $what: not written"
done

# What hangs at opens, more than there are workers for, keeps nobody from looking up names.
hanging open '
	for i in 1 2 3 4 5 6 7 8; do cat /src/f & done
	sleep 0.3
	ls -d /src/f
	sleep 0.3
	ls -d /src/f1 /src/g
	exit 6'
want_status 6 "many hanging opens"
want_out "/src/f
/src/f1
/src/g" "many hanging opens"

# They take no worker from another mount.
mkdir "$WORK/other"
echo other > "$WORK/other/f"
status=0
timeout $((40 * SLOWER)) "$hang" mkdirat -- "$VMBOX" run --cpus 1 --bind "$WORK/src:/src:rw" --bind "$WORK/other:/other:rw" "$busybox" sh -c '
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mkdir /src/d$i & done
	cat /other/f /src/f
	echo new > /other/g
	cat /other/g
	exit 3' < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
want_status 3 "many that hang"
want_out "other
text
new" "many that hang"

finish
