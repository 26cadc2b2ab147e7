# --root /: the host's programs and libraries, read-only beneath, changes discarded.
. "$BIN/cases/lib.sh"

native /bin/ls /etc < /dev/null
vm --root / /bin/ls /etc < /dev/null
same "ls /etc"
native /bin/sh -c 'cat /etc/passwd | cut -d: -f1 | sort | tail -n 3; false; echo $?' < /dev/null
vm --root / /bin/sh -c 'cat /etc/passwd | cut -d: -f1 | sort | tail -n 3; false; echo $?' < /dev/null
same "sh pipeline"
vm --root / /bin/ls -la /etc < /dev/null
want_status 0 "ls -la /etc"
[ "$(wc -l < "$WORK/out")" -gt 3 ] || fail "ls -la /etc: too little"
# found in PATH
vm --root / ls / < /dev/null
want_status 0 "ls in PATH"
# writes go to the upper layer only
marker=vmbox-root-case.$$
vm --root / /bin/sh -c "echo x > /tmp/$marker && cat /tmp/$marker && rm /etc/hostname 2>/dev/null; test ! -e /etc/hostname && echo gone" < /dev/null
[ ! -e "/tmp/$marker" ] || fail "a write came through to the host"
vm --root / /bin/cat /etc/passwd < /dev/null
cmp -s "$WORK/out" /etc/passwd || fail "cat /etc/passwd differs"
# its own /dev and /proc
vm --root / /bin/sh -c 'echo x > /dev/null; test -c /dev/zero && readlink /proc/self/exe >/dev/null && echo $$' < /dev/null
want_out 1 "PID of the image"
# a directory of ours as root
mkdir -p "$WORK/root/bin" "$WORK/root/data"
cp "$BIN/hello" "$WORK/root/bin/hello"
vm --root "$WORK/root" /bin/hello < /dev/null
want_out "hello, world" "own root"
vm --root "$WORK/root" hello < /dev/null
want_out "hello, world" "own root, by PATH"
vm --root "$WORK/root" /bin/none < /dev/null
want_status 127 "not in the root"
want_error "not in the root"
# no way out of it
ln -s /etc/passwd "$WORK/root/data/link"
ln -s ../../../../../../../../etc/passwd "$WORK/root/data/up"
if busybox=$(command -v busybox) && cp "$busybox" "$WORK/root/bin/busybox"; then
	for way in /data/link /data/up /../../../../etc/passwd /data/../../etc/passwd; do
		vm --root "$WORK/root" /bin/busybox cat "$way" < /dev/null
		[ "$status" != 0 ] || fail "$way leads out of the root"
	done
fi
vm --root "$WORK/no-such-root" /bin/hello < /dev/null
want_status 125 "missing root"
want_error "missing root"
finish
