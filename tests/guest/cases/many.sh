# Two thousand live processes, on two vCPUs and on one (in an emulated machine two hundred); several
# machines at once; many in a row.
. "$BIN/cases/lib.sh"
count=2000
for cpus in 2 1; do
	status=0
	"$VMBOX" run --cpus $cpus "$BIN/procs" $count < /dev/null > "$WORK/out" 2> "$WORK/err" || status=$?
	want_out "$count processes ok" "--cpus $cpus"
	want_status 0 "--cpus $cpus"
	count=$((2000 / SLOWER))
done
for i in 1 2 3 4; do
	"$VMBOX" run "$BIN/forktree" 4 < /dev/null > "$WORK/out.$i" 2> "$WORK/err.$i" &
done
wait
for i in 1 2 3 4; do
	grep -q '^forktree 4: 31 processes ok$' "$WORK/out.$i" || fail "machine $i of four at once"
done
for i in 1 2 3 4 5 6 7 8 9 10; do
	vm "$BIN/hello" < /dev/null
	want_out "hello, world" "run $i in a row"
done
finish
