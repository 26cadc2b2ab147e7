# shellcheck shell=sh
# The rows of the table; read by tests/bench/bench, which has the functions they call.

op_rows() {
	op_row getppid calls 3000 getppid native=50
	op_row read-zero calls 3000 "read(/dev/zero, 1)" native=50
	op_row write-null calls 3000 "write(/dev/null)" native=50
	op_row clock-vdso calls 300000 "clock_gettime, vDSO"
	op_row clock-call calls 3000 "clock_gettime, call" native=50
	op_row open-read-close calls 1000 "open+read+close" native=20
	op_row signal calls 1000 "signal to oneself" native=20
	op_row mmap-touch mappings 1000 "mmap+touch 4 pages+munmap" native=5
	op_row fault-64 mappings 12800 "page fault, 64 in order"
	op_row fault-order mappings 8000 "page fault, all in order"
	op_row fault-random mappings 2000 "page fault, no order"
	op_row fault-huge mappings 16 "2 MiB, all touched"
	op_row pipe-pingpong sync 800 "pipe ping-pong" native=4 pin
	op_row pipe-64k sync 1000 "pipe, 64 KiB"
	op_row futex-threads sync 800 "futex ping-pong, threads" native=4 pin
	op_row futex-processes sync 800 "futex ping-pong, processes" native=4 pin
	op_row mutex sync 2000000 "mutex, uncontended"
	op_row mutex-4 sync 400000 "mutex, 4 threads" pin
	op_row fork-wait processes 200 "fork+exit+wait" pin
	op_row fork-wait-100m processes 10 "the same, 100 MiB touched" least=4
	op_row fork-exec processes 50 "fork+exec+wait, static"
	op_row vfork-exec processes 50 "vfork+exec+wait, static"
	op_row fork-exec-dynamic processes 30 "fork+exec+wait, dynamic" op=fork-exec \
		arg="$bin/nothing-dynamic" root
	op_row vfork-exec-dynamic processes 30 "vfork+exec+wait, dynamic" op=vfork-exec \
		arg="$bin/nothing-dynamic" root
	op_row thread-join processes 400 "thread create+join" pin
	for n in 2 16 100; do
		op_row ring-$n switch 2000 "switch among $n" op=ring arg=$n least=$((2 * n)) native=4 pin
	done
	op_row ring-1000 switch 4000 "switch among 1,000" op=ring arg=1000 least=2000 pin rounds=3
	op_row ring-2000 switch 20000 "switch among 2,000" op=ring arg=2000 least=4000 pin rounds=3 long
	op_row ring-10000 switch 40000 "switch among 10,000" op=ring arg=10000 least=20000 rounds=2 long
}

# Not by `command -v`: a busybox that is the shell itself needs no file of that name, and names none.
busybox=busybox
for dir in $(echo "$PATH" | tr : ' '); do
	if [ -x "$dir/busybox" ]; then
		busybox=$(readlink -f "$dir/busybox")
		break
	fi
done
# Expanded by the shells that run them.
# shellcheck disable=SC2016
loop='i=0; while [ $i -lt 200 ]; do COMMAND; i=$((i + 1)); done'
# shellcheck disable=SC2016
idlers='exec 3<&0; i=0; while [ $i -lt 100 ]; do sh -c "read x; :" <&3 & i=$((i + 1)); done; echo ready; wait'

start_rows() {
	program_row "$bin/hello" startup programs 10 5 "start of hello, static" "" "" "$bin/hello"
	if [ -n "$list" ] || "$bin/hello-dynamic" > /dev/null 2>&1; then
		program_row "$bin/hello-dynamic" startup-dynamic programs 10 5 "start of hello, dynamic" \
			"--root / --bind $bin:$bin" "" "$bin/hello-dynamic"
	elif wanted startup-dynamic programs; then
		skip "start of hello, dynamic" "this machine has no C library to load"
	fi
	program_row busybox sh-200 programs 1 5 "200 commands, busybox" "" "" "$busybox" sh -c \
		"$(echo "$loop" | sed "s,COMMAND,$busybox true,")"
	program_row /bin/true sh-200-dynamic programs 1 5 "200 commands, /bin/sh" "--root /" "" \
		/bin/sh -c "$(echo "$loop" | sed 's,COMMAND,/bin/true,')"
}

# What the macro rows work on, made once: $work/tree. The guest sees it read-write.
make_inputs() {
	[ -z "$list" ] || return 0
	tree=$work/tree
	mkdir -p "$tree/files"
	awk 'BEGIN {
		print "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>"
		for (i = 0; i < 220; i++)
			printf "static int f%d(int a, const char *s)\n{\n\tint n = (int)strlen(s) + a;\n\n" \
				"\tfor (int i = 0; i < %d; i++)\n\t\tn = n * 31 + s[i %% (n & 3 | 1)];\n" \
				"\treturn n %s;\n}\n\n", i, i % 17 + 3, i ? sprintf("+ f%d(n & 7, s)", i - 1) : ""
		print "int main(int argc, char **argv)\n{\n\tprintf(\"%d\\n\", f219(argc, argv[0]));\n\treturn 0;\n}"
	}' > "$tree/big.c"
	{
		echo 'PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);'
		awk 'BEGIN { for (i = 0; i < 10000; i++) printf "INSERT INTO t(name) VALUES(\"row %d\");\n", i }'
	} > "$tree/insert.sql"
	command -v tar > /dev/null 2>&1 || return 0
	awk -v dir="$tree/files" 'BEGIN {
		for (i = 0; i < 500; i++) {
			f = dir "/" i
			for (j = 0; j < 1000; j++)
				printf "%d %d some hundred bytes of text that nobody will ever read, for they are the same in all files .....\n", i, j > f
			close(f)
		}
	}'
	(cd "$tree" && tar cf big.tar files && rm -rf files)
}

macro_rows() {
	for r in gcc:gcc python:python3 find:find untar:tar sqlite:sqlite3; do
		if wanted "${r%:*}" programs; then
			make_inputs
			break
		fi
	done
	tree=${work:-}/tree bind="--root / --bind ${work:-}/tree:${work:-}/tree:rw --cwd ${work:-}/tree"
	program_row gcc gcc programs 1 3 "gcc, 2,000 lines" "$bind" "" \
		/bin/sh -c "cd $tree && gcc -O1 -c -o big.o big.c"
	program_row python3 python programs 1 3 "python start-up" "--root /" "" \
		"$(command -v /usr/bin/python3 || echo python3)" -c pass
	program_row find find programs 1 2 "find /usr" "--root /" "" find /usr -xdev -name "*.h"
	program_row tar untar programs 1 3 "untar of 50 MB" "$bind" 'rm -rf "$tree/out"; mkdir "$tree/out"' \
		/bin/sh -c "cd $tree/out && tar xf ../big.tar"
	program_row sqlite3 sqlite programs 1 3 "10,000 SQLite inserts" "$bind" 'rm -f "$tree"/db*' \
		/bin/sh -c "cd $tree && sqlite3 db < insert.sql"
}

memory_rows() {
	memory_row rss-1 1 "one that waits" "" "$bin/op" idle 0
	memory_row rss-100-sh 101 "100 idle sh" "" "$busybox" sh -c \
		"$(echo "$idlers" | sed "s,sh -c,$busybox sh -c,")"
	memory_row rss-1000 1001 "1,000 processes" "" "$bin/op" idle 1000
}
