# What the scripts here share. Sourced with $0's arguments: [VMBOX [ROUNDS]].
set -u
vmbox=${1:-./vmbox} rounds=${2:-3}
dir=$(cd "$(dirname "$0")" && pwd)

skip() {
	echo "SKIP: $1"
	[ "${VMBOX_MUST_WORK:-0}" = 1 ] && exit 1
	exit 0
}

fail() {
	echo "FAIL: $1"
	exit 1
}

# needs COMMAND WHAT
needs() {
	command -v "$1" > /dev/null || skip "no $2"
	"$vmbox" doctor --quiet > /dev/null 2>&1 || skip "vmbox cannot run guests here"
}

# What an outer make tells its inner ones is not for those that are compared.
unset MAKEFLAGS MFLAGS MAKELEVEL
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# agree PROGRAM: natively and in vmbox, $rounds times on 1 and on 2 vCPUs: stdout and status agree.
agree() {
	"$1" > "$work/native" || fail "native run"
	for cpus in 1 2; do
		i=0
		while [ $i -lt "$rounds" ]; do
			i=$((i + 1))
			timeout 60 "$vmbox" run --cpus $cpus "$1" > "$work/out" 2> "$work/err"
			status=$?
			if [ $status != 0 ] || ! cmp -s "$work/native" "$work/out"; then
				diff "$work/native" "$work/out" | head -n 20
				head -n 20 "$work/err"
				fail "$cpus vCPUs, round $i: status $status"
			fi
		done
		echo "ok: $rounds rounds on $cpus vCPUs"
	done
}
