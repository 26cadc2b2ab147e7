# How often operations leave the guest: the cost that no other load can blur. Each is the
# difference between a run of N and one of 2N operations, so that start-up cancels. Kicks do not
# count: they tell of the machine's load.
. "$BIN/cases/lib.sh"

op=${SPAWN%/*}/op

# number KEY: of the statistics' object $1, its member $2.
number() {
	tr -d ' \n\t' < "$WORK/stats" | sed -n "s/.*\"$1\":{[^}]*\"$2\":\([0-9]*\).*/\1/p"
}

counts() {
	arg=
	case $1 in *:*) arg=${1#*:} ;; esac
	# shellcheck disable=SC2086
	vm --exitless=off --stats="$WORK/stats" "$op" "${1%:*}" "$2" $arg < /dev/null
	want_status 0 "$1 $2"
	echo "$(number exits syscall) $(number exits page_fault) $(number vcpu_ioctls get_xsave) $(number vcpu_ioctls set_xsave)"
}

# at_most OPERATION[:ARG] COUNT CALLS FAULTS SAVES LOADS: of each at most so many hundredths an
# operation.
# A task that another vCPU takes over brings its FP state along: saves and loads have room for one
# such move.
at_most() {
	name=$1 n=$2
	shift 2
	# shellcheck disable=SC2046
	set -- "$@" $(counts "$name" "$n") $(counts "$name" $((2 * n)))
	[ $# = 12 ] || {
		fail "$name: no statistics"
		return
	}
	for what in "system calls" "page faults" "FP saves" "FP loads"; do
		per=$((($9 - $5) * 100 / n))
		[ "$per" -le "$1" ] || fail "$name: $per hundredths of $what an operation, at most $1 wanted"
		shift
	done
}

at_most getppid 2000 100 0 0 0
at_most pipe-pingpong 200 420 10 300 300
at_most fork-wait 100 430 10 320 300
at_most fork-exec 50 1830 20 420 400
at_most fault-order 4000 1 8 1 1
at_most ring:100 1000 230 20 200 150
at_most thread-join 100 1100 30 400 330
at_most signal 200 210 5 160 260
# Most likely a dynamic program: what its loader maps comes with it.
vm --root / /bin/true < /dev/null # warms the host's cache
vm --exitless=off --stats="$WORK/stats" --root / /bin/true < /dev/null
want_status 0 /bin/true
faults=$(number exits page_fault)
[ "${faults:-99}" -le 20 ] || fail "/bin/true: ${faults:-?} page faults, at most 20 wanted"
finish
