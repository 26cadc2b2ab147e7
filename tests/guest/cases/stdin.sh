# Standard input and output are the caller's: pipes, files, closed ones, large amounts.
. "$BIN/cases/lib.sh"
need_busybox
seq 1 100000 > "$WORK/numbers"

seq 1 100000 | vm "$busybox" sort -n -r
want_status 0 sort
[ "$(tail -n 1 "$WORK/out")" = 1 ] || fail "sort: the last line is not 1"
[ "$(wc -l < "$WORK/out")" = 100000 ] || fail "sort: lines are missing"
vm "$busybox" wc -l < "$WORK/numbers"
want_out 100000 "wc < file"
cat "$WORK/numbers" | vm "$busybox" cat
cmp -s "$WORK/numbers" "$WORK/out" || fail "cat: bytes differ"
vm "$busybox" cat < /dev/null
want_status 0 "cat of nothing"
# what the guest does not read stays for the next
printf 'one\ntwo\nthree\n' > "$WORK/lines"
{
	"$VMBOX" run "$busybox" sh -c 'read a; echo "got $a"'
	"$VMBOX" run "$busybox" sh -c 'read a; echo "then $a"'
} < "$WORK/lines" > "$WORK/out" 2> "$WORK/err"
want_out "got one
then two" "shared offset of a file"
# a reader of ours that goes away: SIGPIPE ends the guest
"$VMBOX" run "$busybox" yes 2> "$WORK/err" | head -n 1 > "$WORK/out"
want_out y "yes | head"
# appended to, not truncated
echo first > "$WORK/log"
"$VMBOX" run "$busybox" echo second >> "$WORK/log" 2> "$WORK/err"
[ "$(wc -l < "$WORK/log")" = 2 ] || fail ">> lost a line"
# a limit of a file's size counts from where the file is
limit='ulimit -f 1; echo first; dd if=/dev/zero bs=300 count=1 2> /dev/null; dd if=/dev/zero bs=300 count=1 2> /dev/null; dd if=/dev/zero bs=300 count=1 2> /dev/null; echo $? >&2'
"$busybox" sh -c "$limit" > "$WORK/native.out" 2> "$WORK/native.err"
"$VMBOX" run "$busybox" sh -c "$limit" > "$WORK/out" 2> "$WORK/err"
cmp -s "$WORK/out" "$WORK/native.out" || fail "RLIMIT_FSIZE on standard output"
cmp -s "$WORK/err" "$WORK/native.err" || fail "SIGXFSZ for standard output"
# closed standard streams
status=0
"$VMBOX" run "$busybox" sh -c 'exit 7' <&- > "$WORK/out" 2> "$WORK/err" || status=$?
want_status 7 "stdin closed"
status=0
"$VMBOX" run "$busybox" sh -c 'echo hello 2>/dev/null; exit 8' 2> "$WORK/err" >&- || status=$?
: > "$WORK/out"
want_status 8 "stdout closed"
# a guest that waits on stdin while another process of it works
(sleep 0.3; echo late) | vm "$busybox" sh -c '(i=0; while [ $i -lt 5 ]; do i=$((i+1)); done; echo busy) & read x; wait; echo $x'
want_out "busy
late" "reader and worker"
finish
