# Files that are on the disk alone: read, mapped and run. (Where the host cannot be made to forget
# them, the same with files at hand.) What a program sees is the same, and others run meanwhile.
. "$BIN/cases/lib.sh"
need_busybox

# forget FILE: out of the host's page cache, if dd can.
forget() {
	sync "$1" 2> /dev/null || sync
	dd if="$1" iflag=nocache count=0 2> /dev/null || :
}

root=$WORK/root
mkdir -p "$root/bin" || fail "mkdir"
cp "$busybox" "$root/bin/busybox"
head -c 6000000 /dev/urandom > "$root/data"
sum=$(md5sum < "$root/data")

forget "$root/data"
forget "$root/bin/busybox"
vm --root "$root" /bin/busybox md5sum < /dev/null
want_status 0 "a cold program"

forget "$root/data"
vm --root "$root" /bin/busybox sh -c 'busybox md5sum < /data'
want_status 0 "a cold file"
want_out "$sum" "a cold file"

# Several at once, on files at different places, beside one that computes.
forget "$root/data"
vm --cpus 1 --root "$root" /bin/busybox sh -c '
	for skip in 0 1 2 3; do
		busybox dd if=/data bs=1500000 skip=$skip count=1 2> /dev/null > /part$skip &
	done
	i=0
	while [ $i -lt 300 ]; do i=$((i + 1)); done
	wait
	busybox cat /part0 /part1 /part2 /part3 | busybox md5sum'
want_status 0 "several at once"
want_out "$sum" "several at once"

# Killed while it reads: the end of the guest does not wait for more than what runs.
forget "$root/data"
vm --root "$root" /bin/busybox sh -c 'busybox md5sum /data /dev/zero > /dev/null & kill -9 $!; wait $!; echo $?'
want_status 0 "killed at once"
want_out 137 "killed at once"
finish
