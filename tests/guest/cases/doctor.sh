# vmbox doctor: what this KVM is and can do; with --quiet the status alone. And what a run says
# where KVM may not be used.
. "$BIN/cases/lib.sh"
status=0
"$VMBOX" doctor > "$WORK/out" 2> "$WORK/err" || status=$?
want_status 0 doctor
grep -qi 'kvm' "$WORK/out" || fail "doctor does not speak of KVM"
grep -Eqi 'exit.*(us|ns)' "$WORK/out" || fail "doctor does not say what an exit costs"
grep -q '^Landlock ' "$WORK/out" || fail "doctor does not say which files vmbox could open"
status=0
"$VMBOX" doctor --quiet > "$WORK/out" 2> "$WORK/err" || status=$?
want_status 0 "doctor --quiet"
[ -s "$WORK/out" ] && fail "doctor --quiet is not quiet"
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups true 2> /dev/null &&
	! setpriv --reuid 65534 --clear-groups test -w /dev/kvm; then
	# The case's own directory may not be open to others.
	dir=$(mktemp -d /tmp/vmbox-doctor.XXXXXX) && cp "$VMBOX" "$dir/vmbox" && cp "$BIN/hello" "$dir/"
	chmod 755 "$dir" "$dir"/*
	status=0
	setpriv --reuid 65534 --clear-groups "$dir/vmbox" run "$dir/hello" < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 125 "no permission for /dev/kvm"
	want_error "no permission for /dev/kvm"
	grep -q "vmbox nested" "$WORK/err" || fail "without KVM run does not name vmbox nested"
	status=0
	setpriv --reuid 65534 --clear-groups "$dir/vmbox" doctor > "$WORK/out" 2> "$WORK/err" || status=$?
	[ "$status" != 0 ] || fail "doctor without permission: status 0"
	grep -q "vmbox nested" "$WORK/out" || fail "doctor without permission names no remedy"
	rm -rf "$dir"
fi
finish
