# --strace: one line a call in strace's form, on stderr; --stats: a table, or JSON in a file.
. "$BIN/cases/lib.sh"

vm --strace "$BIN/hello" < /dev/null
want_out "hello, world" "hello under --strace"
grep -Eq 'write\(1, "hello, world\\n", 13\) += 13' "$WORK/err" || fail "no line for write"
grep -Eq 'exit_group\(0\)' "$WORK/err" || fail "no line for exit_group"
grep -Evq '^(\[pid +[0-9]+\] |[0-9]+ +)?([a-z0-9_]+\(.*|\+\+\+ .* \+\+\+|--- .* ---|<\.\.\. .*)$' "$WORK/err" &&
	fail "a line that strace would not print: $(grep -Ev '^(\[pid +[0-9]+\] |[0-9]+ +)?([a-z0-9_]+\(.*|\+\+\+ .* \+\+\+|--- .* ---|<\.\.\. .*)$' "$WORK/err" | head -n 1)"
vm --strace "$BIN/enosys" < /dev/null
grep -q 'ENOSYS' "$WORK/err" || fail "ENOSYS is not named"
vm --strace "$BIN/forktree" 1 < /dev/null
want_out "forktree 1: 3 processes ok" "forktree under --strace"

vm --stats="$WORK/stats.json" "$BIN/forktree" 3 < /dev/null
want_out "forktree 3: 15 processes ok" "forktree with --stats=FILE"
for key in '"exits"' '"total"' '"syscall"' '"vcpu_ioctls"' '"run"' '"syscalls"' '"calls"' '"errors"' \
	'"ns"' '"faults"' '"minor"' '"cow"' '"switches"' '"task"' '"mm"' '"processes"'; do
	grep -q "$key" "$WORK/stats.json" || fail "no $key in the statistics"
done
grep -Eq '"processes": *15[^0-9]' "$WORK/stats.json" || fail "not 15 processes counted"
# valid JSON, as far as what is here can tell
if command -v jq > /dev/null; then
	jq -e . "$WORK/stats.json" > /dev/null 2>&1 || fail "jq does not take the JSON"
	[ "$(jq '.syscalls.fork.calls // 0 + (.syscalls.clone.calls // 0)' "$WORK/stats.json")" -ge 14 ] ||
		fail "fewer than 14 forks counted"
elif command -v python3 > /dev/null; then
	python3 -m json.tool "$WORK/stats.json" > /dev/null 2>&1 || fail "not JSON"
fi
[ "$(tr -cd '{' < "$WORK/stats.json" | wc -c)" = "$(tr -cd '}' < "$WORK/stats.json" | wc -c)" ] ||
	fail "braces do not match"
vm --stats "$BIN/hello" < /dev/null
want_out "hello, world" "hello with --stats"
grep -qi 'exits' "$WORK/err" || fail "--stats prints nothing about exits"
vm --strace --stats "$BIN/hello" < /dev/null
want_out "hello, world" "both"
finish
