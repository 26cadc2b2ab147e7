# vmbox nested: what it says where it cannot; that it runs a program is tests/nested/selftest's to show.
. "$BIN/cases/lib.sh"
hello=$BIN/hello

# nested ARGS: leaves $status, $WORK/out and $WORK/err.
nested() {
	status=0
	PATH=$path "$VMBOX" nested "$@" > "$WORK/out" 2> "$WORK/err" < /dev/null || status=$?
}

# says WORDS NAME
says() {
	grep -q -- "$1" "$WORK/err" || fail "$2: not '$1'"
}

path=$PATH
nested --help
want_status 0 "nested --help"
grep -q '^Usage: vmbox nested' "$WORK/out" || fail "nested --help"
nested
want_status 125 "no image"
want_error "no image"
nested --frobnicate "$hello"
want_status 125 "an unknown option"
want_error "an unknown option"
nested --timeout
want_status 125 "an option without its value"
want_error "an option without its value"
nested --cpus 0 "$hello"
want_status 125 "a bad option of run"
want_error "a bad option of run"

# A copy of vmbox alone has no runner beside it.
cp "$VMBOX" "$WORK/vmbox"
status=0
"$WORK/vmbox" nested "$hello" > "$WORK/out" 2> "$WORK/err" < /dev/null || status=$?
want_status 125 "no runner"
want_error "no runner"
says 'runner' "no runner"

# The rest needs the tree's runner, and the shell that it is for.
runner=no
for dir in . ../.. ; do
	[ -x "$(dirname "$VMBOX")/$dir/tests/nested/run" ] && runner=yes
done
[ $runner = yes ] && command -v bash > /dev/null || finish
nested ./no-such-image
want_status 127 "no such image"
want_error "no such image"
nested "$WORK"
want_status 126 "a directory"
want_error "a directory"
nested /dev/null
want_status 126 "a device"
want_error "a device"
nested --arch vax "$hello"
want_status 125 "an unknown architecture"
want_error "an unknown architecture"
cp "$hello" "$WORK/with:colon"
nested "$WORK/with:colon"
want_status 125 "a colon in the path"
want_error "a colon in the path"
nested --timeout never "$hello"
want_status 125 "a bad time"
says '^nested: --timeout never: ' "a bad time"

# Without QEMU: the package that is missing is named.
mkdir "$WORK/bin"
for tool in bash sh dirname uname id cat grep sed env cpio timeout setpriv; do
	tool=$(command -v $tool) && ln -sf "$tool" "$WORK/bin/"
done
path=$WORK/bin
if [ -x "$WORK/bin/cpio" ]; then
	nested "$hello"
	want_status 125 "no QEMU"
	says 'install the package qemu-system-' "no QEMU"
fi
finish
