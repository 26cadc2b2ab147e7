# Where KVM cannot be used: `vmbox run` says what is wrong and what helps, in one line with status
# 125; `vmbox doctor` names it with a remedy and says no.
. "$BIN/cases/lib.sh"

# refused NAME WORDS COMMAND...: COMMAND is what comes before vmbox.
refused() {
	name=$1 words=$2
	shift 2
	status=0
	"$@" "$VMBOX" run "$BIN/hello" < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 125 "run, $name"
	want_error "run, $name"
	grep -q -- "$words" "$WORK/err" || fail "run, $name: does not say '$words'"
	grep -q '; .' "$WORK/err" || fail "run, $name: no remedy"
	status=0
	"$@" "$VMBOX" doctor < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 125 "doctor, $name"
	grep -q -- "$words" "$WORK/out" || fail "doctor, $name: does not say '$words'"
	grep -q -- '-> .' "$WORK/out" || fail "doctor, $name: no remedy"
	status=0
	"$@" "$VMBOX" doctor --quiet < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_status 125 "doctor --quiet, $name"
	if [ -s "$WORK/out" ]; then fail "doctor --quiet, $name: not quiet"; fi
}

noioctl=${SPAWN%/*}/noioctl
status=0
"$noioctl" 0xae00 -- /bin/true || status=$?
[ "$status" != 98 ] || skip "no seccomp filters here"

# <linux/kvm.h>: KVM_GET_API_VERSION, KVM_CHECK_EXTENSION, and capabilities by number.
refused "another API" "API version 0" "$noioctl" 0xae00 --
refused "no user memory" "KVM_CAP_USER_MEMORY" "$noioctl" 0xae03 3 --
refused "no immediate exit" "KVM_CAP_IMMEDIATE_EXIT" "$noioctl" 0xae03 136 --
if [ "$(uname -m)" = x86_64 ]; then
	refused "no synced registers" "KVM_CAP_SYNC_REGS" "$noioctl" 0xae03 74 --
	refused "no XSAVE" "KVM_CAP_XSAVE" "$noioctl" 0xae03 55 --
fi

# A device that is not there, one that is something else, one for others. Only root may arrange it.
if [ "$(id -u)" = 0 ] && unshare -m true 2> /dev/null; then
	# shellcheck disable=SC2016
	refused "no device" "No such file or directory" unshare -m sh -c \
		'mkdir -p "$0/dev" && mount -o bind "$0/dev" /dev && exec "$@"' "$WORK"
	# shellcheck disable=SC2016
	refused "another device" "/dev/kvm" unshare -m sh -c \
		'mount -o bind /dev/zero /dev/kvm && exec "$@"' sh
fi
finish
