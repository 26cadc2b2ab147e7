# A real shell and its tools from one static binary: pipelines, substitutions, traps, signals.
. "$BIN/cases/lib.sh"
need_busybox

both() {
	name=$1
	shift
	native "$busybox" "$@" < /dev/null
	vm "$busybox" "$@" < /dev/null
	same "$name"
}

both sort sh -c 'for i in 1 2 3; do echo $i; done | sort -r | head -n 2'
both substitution sh -c 'x=$(echo $(echo a)b); trap "echo bye" EXIT; (exit 3); echo $x $?; kill -11 $$'
want_status 139 "kill -11 \$\$"
both status sh -c 'exit 42'
both and-or sh -c 'true && echo yes; false || echo no; ! false; echo $?'
both background sh -c 'sleep 0.05 & p=$!; wait $p; echo $?; (sleep 5 & kill $!; wait $!; echo $?)'
both subshells sh -c 'a=1; (a=2; (a=3; echo $a); echo $a); echo $a'
both loop sh -c 'i=0; while [ $i -lt 20 ]; do i=$((i+1)); (exit $i); s=$?; done; echo $i $s'
both here-document sh -c 'cat <<X | tr a-z A-Z
hello $((6*7))
X'
both files sh -c 'cd /tmp && mkdir vmbox-case.$$ && cd vmbox-case.$$ && echo one > a && cat a a >> b &&
	mv b c && ls && wc -l < c && rm a c && cd .. && rmdir vmbox-case.$$'
both long-pipeline sh -c 'seq 1 2000 | grep 7 | sed s/7/x/ | sort | uniq -c | sort -rn | awk "{s+=\$2} END {print NR}" | cat | cat | cat'
both pipefail sh -c 'set -o pipefail; false | true; echo $?; yes | head -n 1; echo $?'
both trap sh -c 'trap "echo usr1" USR1; kill -USR1 $$; trap "" USR1; kill -USR1 $$; echo on'
both killed-child sh -c 'sh -c "kill -9 \$\$"; echo $?; sh -c "kill -15 \$\$"; echo $?'
both read-loop sh -c 'printf "a b\nc d\n" | while read x y; do echo "$y $x"; done'
both printf sh -c 'printf "%05d|%x|%s\n" 42 255 text'
both find-xargs sh -c 'echo 1 2 3 4 5 | xargs -n 2 echo'
both tar sh -c 'cd /tmp && mkdir vmbox-t.$$ && cd vmbox-t.$$ && mkdir d && echo x > d/f && tar c d | tar t;
	cd .. && rm -r vmbox-t.$$'
both md5 md5sum /proc/self/exe
finish
