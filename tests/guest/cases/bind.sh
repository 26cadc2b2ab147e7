# --bind: the host's directory, read-only or written through; --tmpfs. Nothing leads out of it.
. "$BIN/cases/lib.sh"

need_busybox
mkdir -p "$WORK/src/d"
echo host > "$WORK/src/f"
echo secret > "$WORK/secret"
ln -s ../secret "$WORK/src/rel"
ln -s "$WORK/secret" "$WORK/src/abs"
ln -s /proc/self/root "$WORK/src/magic"
mkfifo "$WORK/src/fifo"

# read-only unless told otherwise
vm --bind "$WORK/src:/src" "$busybox" sh -c 'cat /src/f; echo x > /src/f || echo refused; mkdir /src/n || echo refused' < /dev/null 2> /dev/null
want_out "host
refused
refused" "read-only bind"
# written through
vm --bind "$WORK/src:/a/b/src:rw" "$busybox" sh -c 'cd /a/b/src && echo guest > f && mkdir n && echo new > n/x && mv n/x d/y && rmdir n && ln d/y d/z && ln -s y d/l && chmod 640 d/z && cat d/l' < /dev/null
want_out "new" "bind rw"
[ "$(cat "$WORK/src/f")" = guest ] || fail "a write did not arrive"
[ "$(cat "$WORK/src/d/z")" = new ] || fail "a link did not arrive"
[ "$(stat -c %a:%h "$WORK/src/d/y")" = 640:2 ] || fail "a mode or a link did not arrive"
[ ! -e "$WORK/src/n" ] || fail "a directory was not removed"
# extended attributes do, in both directions, with the host's errors (where it has any)
if "$BIN/fs-xattr" > /dev/null 2>&1; then
	mkdir "$WORK/attrs"
	native "$BIN/fs-xattr"
	vm --bind "$WORK/attrs:/tmp:rw" "$BIN/fs-xattr" < /dev/null
	same "extended attributes of a bind"
fi
# set-id bits do not
vm --bind "$WORK/src:/src:rw" "$busybox" chmod 6755 /src/f < /dev/null
[ "$(stat -c %a "$WORK/src/f")" = 755 ] || fail "set-id bits arrived on the host"
# no way out
for way in rel abs ../secret ../../secret d/../../secret magic/../secret magic/proc/1/root/secret; do
	vm --bind "$WORK/src:/src:rw" "$busybox" cat "/src/$way" < /dev/null
	[ "$status" != 0 ] || fail "/src/$way leads out"
	vm --bind "$WORK/src:/src:rw" "$busybox" sh -c "echo x > /src/$way" < /dev/null
	grep -q '^secret$' "$WORK/secret" || fail "/src/$way was written"
done
# a FIFO of the host is never opened: this would wait for ever
vm --bind "$WORK/src:/src:rw" "$busybox" sh -c 'ls -l /src/fifo | cut -c1' < /dev/null
want_out p "FIFO"
# one file
vm --bind "$WORK/src/f:/etc/one:rw" "$busybox" sh -c 'cat /etc/one; echo again > /etc/one; rm /etc/one || echo busy' < /dev/null 2> /dev/null
want_out "guest
busy" "bound file"
[ "$(cat "$WORK/src/f")" = again ] || fail "a write to a bound file did not arrive"
# in memory, with a size
vm --tmpfs /t:64K "$busybox" sh -c 'dd if=/dev/zero of=/t/x bs=1k count=100 2>/dev/null || echo full; wc -c < /t/x; rm /t/x; echo y > /t/y && cat /t/y' < /dev/null
want_out "full
65536
y" "tmpfs"
# errors
vm --bind "$WORK/none:/x" "$busybox" true < /dev/null
want_status 125 "no source"
vm --bind /proc:/x "$busybox" true < /dev/null
want_status 125 "a kernel file system"
vm --bind "$WORK/src" "$busybox" true < /dev/null
want_status 125 "no target"
vm --bind "$WORK/src:relative" "$busybox" true < /dev/null
want_status 125 "relative target"
# files belong to the guest's user, where vmbox may give them away
if [ "$(id -u)" = 0 ]; then
	mkdir -m 777 "$WORK/own"
	vm --user 1234:1235 --bind "$WORK/own:/own:rw" "$busybox" sh -c 'cd /own && echo x > f && mkdir d && ln -s f l && mkfifo p && chmod 600 f && touch -d "2001-01-01 00:00" f && mv f g && ! chown 0 g 2> /dev/null && echo ok' < /dev/null
	want_out ok "as another user"
	for name in g d l p; do
		[ "$(stat -c %u:%g "$WORK/own/$name")" = 1234:1235 ] || fail "$name is not the user's"
	done
	mkdir -m 700 "$WORK/own/private"
	vm --user 1234:1235 --bind "$WORK/own:/own:rw" "$busybox" sh -c 'touch /own/private/x || echo no' < /dev/null 2> /dev/null
	want_out no "another's directory"
fi
# directories that move while they are walked: by the guest, and by the host in and out of the tree
mkdir -p "$WORK/race/a/x/y" "$WORK/race/b"
echo inside > "$WORK/race/in"
echo secret > "$WORK/in"
cat > "$WORK/race/walk" <<'END'
cd /race
(while [ -e /race/in ]; do mv a/x b/x; mv b/x a/x; done) 2> /dev/null &
mover=$!
exec 3< /race/a
i=0
while [ $i -lt $1 ]; do
	i=$((i + 1))
	cat a/x/y/../../../../in b/x/../../../../in a/x/y/../../../in hop/../in hop/h/../../in hop/../../in
	cat /proc/self/fd/3/../../in /proc/self/fd/3/../in /proc/self/cwd/../in /proc/self/root/../in
	(cd hop/h && cat ../../in ../../../in /proc/self/cwd/../../../in)
	ln /race/a/../../in /race/ln$i
	ln /proc/self/fd/3/../../in /race/ln$i
done 2> /dev/null
kill $mover
ls /race | grep '^ln'
END
mkdir -p "$WORK/race/hop/h"
(while [ -e "$WORK/race/in" ]; do
	mv "$WORK/race/hop" "$WORK/hop"
	mv "$WORK/hop" "$WORK/race/hop"
done) 2> /dev/null &
host_mover=$!
for cpus in 1 2; do
	vm --cpus $cpus --bind "$WORK/race:/race:rw" "$busybox" sh /race/walk $((SLOWER == 1 ? 60 : 20)) < /dev/null
	if grep -q secret "$WORK/out"; then fail "a race led out of the bound directory"; fi
	grep -q inside "$WORK/out" || fail "nothing was read at all"
	if grep -q ln "$WORK/out"; then fail "a link to a file outside"; fi
done
rm "$WORK/race/in"
wait $host_mover
[ "$(stat -c %h "$WORK/in")" = 1 ] || fail "a hard link to a file outside"
finish
