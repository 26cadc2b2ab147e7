# Host descriptors run out: vmbox raises its own soft limit; at the hard one the guest gets an error,
# goes on, and closing helps.
. "$BIN/cases/lib.sh"
need_busybox
mkdir "$WORK/d"
i=0
while [ $i -lt 150 ]; do
	echo "$i" > "$WORK/d/$i"
	i=$((i + 1))
done

cat > "$WORK/soft" <<'END'
ulimit -Sn 40 && exec "$@"
END
status=0
sh "$WORK/soft" "$VMBOX" run --bind "$WORK/d:/d" --cwd /d "$BIN/tools/openmany" 150 \
	> "$WORK/out" 2> "$WORK/err" < /dev/null || status=$?
want_status 0 "vmbox's soft limit"
want_out "opened 150" "vmbox's soft limit"

# the hard limit: not all, and then again after closing
sed -i 's/-Sn 40/-n 110/' "$WORK/soft"
status=0
sh "$WORK/soft" "$VMBOX" run --bind "$WORK/d:/d" --cwd /d "$BIN/tools/openmany" 150 \
	> "$WORK/out" 2> "$WORK/err" < /dev/null || status=$?
want_status 0 "vmbox's hard limit"
grep -q '^opened [1-9]' "$WORK/out" || fail "nothing could be opened"
grep -q '^then ten others$' "$WORK/out" ||
	grep -q '^opened 150$' "$WORK/out" || fail "the end of the descriptors"

# too few to begin with, at whatever is opened first without one: an error of vmbox, no crash
for n in 4 8 12 14 15 16 17 18 19 20 21 24; do
	printf 'ulimit -n %s && exec "$@"\n' $n > "$WORK/soft"
	status=0
	sh "$WORK/soft" "$VMBOX" run "$busybox" echo hi > "$WORK/out" 2> "$WORK/err" < /dev/null ||
		status=$?
	case $status in
	0) want_out hi "$n descriptors" ;;
	12[567]) grep -q '^vmbox: \|shared libraries' "$WORK/err" || fail "$n descriptors: no message" ;;
	*) fail "$n descriptors: status $status" ;;
	esac
done
finish
