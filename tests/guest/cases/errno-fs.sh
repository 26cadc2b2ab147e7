# The errors of the calls that take names and files are the same on each kind of file system: in
# memory (where the tests run by themselves, beside native), a tmpfs of its own, a directory of the host
# that is written through, and the overlay.
. "$BIN/cases/lib.sh"

mkdir "$WORK/bound" "$WORK/root" "$WORK/root/t" "$WORK/root/bin"
chmod 1777 "$WORK/bound" "$WORK/root/t"
chmod 755 "$WORK" "$WORK/root" "$WORK/root/bin"
# A directory of the host has the attributes that its file system has: some have none.
xattrs=yes
GUEST_TEST_DIR=$WORK/bound "$BIN/errno-file-paths" > "$WORK/natively" 2>&1
grep -q '"user\.a".*EOPNOTSUPP' "$WORK/natively" && xattrs=no
# As same, but for what the host's file system cannot do; native.out stays.
alike() {
	if [ $xattrs = no ]; then
		cp "$WORK/native.out" "$WORK/all.out"
		sed -i '/xattr(/d' "$WORK/native.out" "$WORK/out"
	fi
	same "$1"
	[ $xattrs = yes ] || mv "$WORK/all.out" "$WORK/native.out"
}
for test in err-open err-names err-meta err-io exec-busy fs-dir errno-file-paths; do
	vm "$BIN/$test" < /dev/null
	want_status 0 "$test"
	mv "$WORK/out" "$WORK/native.out"
	native_status=0
	vm --tmpfs /tmp "$BIN/$test" < /dev/null
	same "$test on a tmpfs"
	vm --bind "$WORK/bound:/tmp:rw" "$BIN/$test" < /dev/null
	alike "$test on a bound directory"
	cp "$BIN/$test" "$WORK/root/bin/test"
	chmod 755 "$WORK/root/bin/test"
	vm --root "$WORK/root" --env GUEST_TEST_DIR=/t /bin/test < /dev/null
	same "$test on the overlay"
	[ -z "$(ls -A "$WORK/bound" "$WORK/root/t" | grep -v ':$')" ] || fail "$test: something is left"
done
finish
