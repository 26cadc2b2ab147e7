# The device tree: what vmbox writes, what the guest's early code says of it, and what it refuses.
. "$BIN/cases/lib.sh"
hello=$BIN/hello
native "$hello" < /dev/null
tree=$WORK/tree

vm --mem 64M --dump-dtb "$tree" "$hello" < /dev/null
same "--dump-dtb"
[ -s "$tree" ] || fail "--dump-dtb writes nothing"
vm --debug --mem 64M "$hello" < /dev/null
same "--debug"
grep -q '^vmbox: guest: device tree of [0-9]* bytes' "$WORK/err" || fail "--debug: nothing of the tree"
grep -q '^vmbox: guest: memory 0x0 to 0x3ffffff$' "$WORK/err" || fail "--debug: not the memory"
[ -z "$CPUS" ] || grep -q "^vmbox: guest: CPUs $CPUS\$" "$WORK/err" || fail "--debug: not the CPUs"
vm "$hello" < /dev/null
[ ! -s "$WORK/err" ] || fail "without --debug, yet text"
vm --dump-dtb /no/such/dir/tree "$hello" < /dev/null
want_status 125 "--dump-dtb to nowhere"
want_error "--dump-dtb to nowhere"

# Seeds are fresh each time; the rest is the same, so the tree of one run fits the next.
vm --mem 5G --cpus 3 --dump-dtb "$tree.5g" "$hello" < /dev/null
vm --mem 64M --dump-dtb "$tree.2" "$hello" < /dev/null
cmp -s "$tree" "$tree.2" && fail "two runs have the same seeds"
vm --mem 64M --dtb "$tree" "$hello" < /dev/null
same "--dtb"

# refused NAME WORDS: the tree $tree.bad must not be taken, and why is said.
refused() {
	vm --mem 64M --dtb "$tree.bad" "$hello" < /dev/null
	want_status 125 "$1"
	want_error "$1"
	grep -q "^vmbox: device tree: .*$2" "$WORK/err" || fail "$1: not '$2'"
}
head -c 39 "$tree" > "$tree.bad"
refused "a piece of a header" truncated
head -c 500 "$tree" > "$tree.bad"
refused "half a tree" truncated
: > "$tree.bad"
refused "an empty file" truncated
head -c 20000 /dev/zero > "$tree.bad"
refused "a file that is too large" "too large"
head -c 2000 /dev/zero > "$tree.bad"
refused "zeros" header
# The last four bytes of the structure, which are its end: an unknown token.
at=$(od -An -j8 -N4 -tu1 "$tree" | awk '{ print $3 * 256 + $4 }')
len=$(od -An -j36 -N4 -tu1 "$tree" | awk '{ print $3 * 256 + $4 }')
end=$((at + len))
{ head -c $((end - 4)) "$tree"; printf '\0\0\0\7'; tail -c +$((end + 1)) "$tree"; } > "$tree.bad"
refused "an unknown token" malformed
# Its size, in the header, becomes 16 MiB and more.
{ head -c 4 "$tree"; printf '\1'; tail -c +6 "$tree"; } > "$tree.bad"
refused "an oversize tree" "too large"
vm --cpus 3 --mem 5G --dtb "$tree" "$hello" < /dev/null
want_status 125 "another machine's tree"
want_error "another machine's tree"
vm --dtb /no/such/tree "$hello" < /dev/null
want_status 125 "no such tree"
want_error "no such tree"

dtc=$(command -v dtc) || {
	# The nested machine has none.
	[ "${VMBOX_MUST_WORK:-0}" = 1 ] && [ "$SLOWER" = 1 ] && fail "no dtc: install device-tree-compiler"
	finish
}
vm --mem 5G --cpus 3 --debug --dump-dtb "$tree.console" "$hello" < /dev/null
for t in "$tree" "$tree.5g" "$tree.console"; do
	"$dtc" -I dtb -O dts "$t" > "$tree.dts" 2> "$WORK/err" || fail "dtc: cannot read $t"
	[ ! -s "$WORK/err" ] || fail "dtc: warnings for $t"
	for node in 'cpu@0' 'memory@0' 'doorbell@' 'clock@' 'chosen' 'kaslr-seed' 'rng-seed'; do
		grep -q "$node" "$tree.dts" || fail "$t: no $node"
	done
done
grep -q 'stdout-path = "/reserved-memory/console@' "$tree.dts" || fail "no console with --debug"
[ "$(grep -c 'device_type = "cpu"' "$tree.dts")" = 3 ] || fail "not three CPUs"
[ "$(grep -c 'device_type = "memory"' "$tree.dts")" = 2 ] || fail "5G are not two ranges"

# edit NAME SCRIPT WORDS: the tree with a change, which the guest or vmbox refuses.
edit() {
	"$dtc" -q -I dtb -O dts "$tree" | sed "$2" | "$dtc" -q -I dts -O dtb > "$tree.bad"
	cmp -s "$tree" "$tree.bad" && fail "$1: the edit changed nothing"
	refused "$1" "$3"
}
edit "an unknown machine" 's/"vmbox,machine"/"linux,dummy-virt"/' "another machine"
edit "another ABI version" 's/vmbox,abi-version = .*/vmbox,abi-version = <99>;/' "another machine"
edit "no doorbell" 's/"vmbox,doorbell"/"other"/' missing
edit "another doorbell" 's/reg = <0x22 /reg = <0x70 /; s/\(reg = <0x00 0xc0000000 0x00 \)0x1000/\10x2000/' \
	"another machine"
edit "the clock page outside memory" '/vmbox,clock/{n;s/reg = .*/reg = <0xff 0x0 0x0 0x1000>;/}' outside
edit "the clock page elsewhere" '/vmbox,clock/{n;s/reg = .*/reg = <0x0 0x10000 0x0 0x1000>;/}' "something else"
edit "memory that is not there" '/device_type = "memory"/{n;s/reg = .*/reg = <0x0 0x0 0x0 0x8000000>;/}' \
	"something else"
finish
