# The host's disk below a bound directory: full, then not; failing; files replaced, truncated and
# removed on the host while the guest has them open.
. "$BIN/cases/lib.sh"
need_busybox

# guest SCRIPT [ARGS]: in $WORK/d, bound.
guest() {
	script=$1
	shift
	vm --bind "$WORK/d:/d:rw" --cwd /d "$busybox" sh -c "$script" sh "$@" < /dev/null
}
mkdir "$WORK/d"

# --- replaced, truncated, removed while open: the host acts when the guest has made d/ready ---
echo old > "$WORK/d/f"
echo gone > "$WORK/d/g"
printf '%65536s' x > "$WORK/d/t"
(
	i=0
	while [ ! -e "$WORK/d/ready" ] && [ $i -lt $((300 * SLOWER)) ]; do
		sleep 0.1
		i=$((i + 1))
	done
	echo new > "$WORK/d/f.new"
	mv "$WORK/d/f.new" "$WORK/d/f"
	rm "$WORK/d/g"
	: > "$WORK/d/t"
	: > "$WORK/d/done"
) &
guest 'exec 3< f 4< g 5<> t
: > ready
while [ ! -e done ]; do sleep 0.1; done
cat <&3
cat <&4
cat f
cat g 2> /dev/null || echo "g is gone"
wc -c <&5
echo more >&5
cat t
echo again > f
cat f'
wait
want_status 0 "replaced"
want_out "old
gone
new
g is gone
0
more
again" "replaced"
[ "$(cat "$WORK/d/f")" = again ] || fail "a write to what replaced the file did not arrive"
[ "$(cat "$WORK/d/t")" = more ] || fail "a write to a truncated file did not arrive"

# --- a full disk: needs a file system of its own ---
[ "$(id -u)" = 0 ] || { echo "full and failing disks: only as root"; finish; }
mkdir "$WORK/m"
cleanup() {
	umount "$WORK/m" 2> /dev/null
	[ -z "${loop:-}" ] || losetup -d "$loop" 2> /dev/null
}
trap cleanup EXIT
full='dd if=/dev/zero of=big bs=4096 count=1000 2> /dev/null || echo "dd failed"
wc -c < big
echo x > small 2> /dev/null || echo "echo failed"
mkdir sub 2> /dev/null && echo made
rm big
echo y > small && cat small
dd if=/dev/zero of=big bs=4096 count=10 2> /dev/null && wc -c < big
rm -r big small sub'
if mount -t tmpfs -o size=1M none "$WORK/m" 2> /dev/null; then
	native sh -c "cd '$WORK/m' && $full"
	vm --bind "$WORK/m:/d:rw" --cwd /d "$busybox" sh -c "$full" < /dev/null
	same "a full disk"
	grep -q "dd failed" "$WORK/out" || fail "the disk never was full"
	[ -z "$(ls "$WORK/m")" ] || fail "files are left"
	# A shared mapping of a hole that cannot be filled: natively the write is SIGBUS. Here pages are
	# the guest's until they are written back; then msync says so.
	vm --bind "$WORK/m:/d:rw" --cwd /d "$BIN/tools/fill" f 2000000 < /dev/null
	want_status 4 "mapping on a full disk"
	rm -f "$WORK/m/f"
	umount "$WORK/m"
else
	echo "full disk: no tmpfs here"
fi

# --- a failing disk: a file system on a file of which half is taken away ---
loop=
if command -v mkfs.ext2 > /dev/null && command -v losetup > /dev/null; then
	truncate -s 8M "$WORK/img"
	mkfs.ext2 -q -b 4096 "$WORK/img" 2> /dev/null
	loop=$(losetup -f --show "$WORK/img" 2> /dev/null) || loop=
fi
if [ -n "$loop" ] && mount -t ext2 "$loop" "$WORK/m" 2> /dev/null; then
	head -c 6000000 /dev/urandom > "$WORK/m/data"
	sync
	umount "$WORK/m"
	mount -t ext2 "$loop" "$WORK/m"
	truncate -s 3M "$WORK/img"
	io='cat data > /dev/null 2>&1; echo "cat $?"
dd if=data bs=4096 count=1 2> /dev/null | wc -c
dd if=data bs=1M of=/dev/null 2> /dev/null; echo "dd $?"'
	echo 3 > /proc/sys/vm/drop_caches 2> /dev/null
	vm --bind "$WORK/m:/d" --cwd /d "$busybox" sh -c "$io" < /dev/null
	native sh -c "cd '$WORK/m' && $io"
	same "a failing disk"
	grep -q "^dd 1" "$WORK/native.out" || echo "failing disk: this kernel reads zeros there"
	echo 3 > /proc/sys/vm/drop_caches 2> /dev/null
	vm --bind "$WORK/m:/d" --cwd /d "$BIN/tools/fill" -r data < /dev/null
	native sh -c "cd '$WORK/m' && exec '$BIN/tools/fill' -r data"
	[ "$native_status" = "$status" ] || fail "mapping on a failing disk: status $status, natively $native_status"
else
	echo "failing disk: no loop device or no mkfs here"
fi
finish
