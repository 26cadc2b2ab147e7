# A real terminal: vmbox in tmux, keys typed at it, and the screen read. Nothing here waits a fixed
# time: expect() polls the screen until the text is there, or a deadline. Each text is looked for once, is
# not what is typed (al""ive), and may stand anywhere in a line: a prompt may come before it.
. "$BIN/cases/lib.sh"
need_busybox
command -v tmux > /dev/null || skip "no tmux"

mux() { tmux -L vmbox-test -f /dev/null "$@"; }
export TMUX_TMPDIR="$WORK"
unset TMUX
trap 'mux kill-server 2> /dev/null' EXIT
screen() { mux capture-pane -p -t t 2> /dev/null; }

# until COMMAND...: at most 30 s.
until_true() {
	tries=0
	until "$@" > /dev/null 2>&1; do
		sleep 0.05
		tries=$((tries + 1))
		[ $tries -le $((600 * SLOWER)) ] || return 1
	done
}

shows() { screen | grep -q -- "$1"; }
expect() {
	until_true shows "$1" && return
	fail "$2: no '$1' on the screen"
	screen | sed 's/^/  screen: /' | grep -v ': $'
	finish
}
# vmbox_pid TEXT: of this case's vmbox with TEXT in its arguments.
vmbox_pid() {
	for dir in /proc/[0-9]*; do
		if tr '\0' ' ' 2> /dev/null < "$dir/cmdline" | grep -q "^$VMBOX run .*CASE=$WORK .*$1"; then
			echo "${dir#/proc/}"
		fi
	done
}
type_line() { mux send-keys -t t "$1" Enter; }
key() { mux send-keys -t t "$1"; }

cat > host.sh <<'END'
PS1='host$ '
END
vmbox_run="$VMBOX run $OPTIONS ${CPUS:+--cpus $CPUS} --env CASE=$WORK"
ENV="$WORK/host.sh" PS1='host$ ' mux new-session -d -s t -x 100 -y 40 "$busybox" sh || skip "tmux does not start"
expect 'host\$' "the host's shell"
type_line "stty -g > before; $vmbox_run --env PS1='gu''est% ' $busybox sh"
expect 'guest%' "the guest's shell"

type_line 'echo $((6 * 7))x'
expect '42x' "echo"
type_line "$busybox stty size"
expect '40 100' "window size"
type_line "$busybox tty"
expect '/dev/pts/0' "the terminal's name"
mux resize-window -t t -x 90 -y 30
# tmux tells it when it gets to it.
type_line "until [ \"\$($busybox stty size)\" = '30 90' ]; do $busybox sleep 0.05; done; echo re\"\"sized"
expect 'resized' "a new window size"

# ^C ends the job in the foreground, not the shell, however often.
type_line "$busybox sh -c 'echo job\"\"runs; exec $busybox sleep 100'"
expect 'jobruns' "a job"
key C-c
type_line 'echo al""ive'
expect 'alive' "the shell after ^C"
key C-c
key C-c
key C-c
type_line 'echo still""here'
expect 'stillhere' "the shell after three ^C"

# ^Z and fg: of a job that ends when it is told to
type_line "$busybox sh -c 'echo again\"\"runs; until test -e /tmp/go; do $busybox sleep 0.05; done'"
expect 'againruns' "a second job"
key C-z
expect 'Stopped' "^Z"
type_line 'jobs | grep -q Stopped && echo one""job'
expect 'onejob' "jobs"
type_line ': > /tmp/go; fg; echo fg""done'
expect 'fgdone' "fg"

# A background job that reads is stopped.
type_line "$busybox cat & wait; jobs | grep -q 'tty input\|Stopped' && echo read\"\"stops"
expect 'readstops' "SIGTTIN"
type_line 'kill -9 %1; wait; echo kil""led'
expect 'killed' "kill"

# /dev/tty, and none without a session's terminal. (setsid of a group's leader forks and does not
# wait: what it prints may come behind the prompt.)
type_line 'echo to""tty > /dev/tty'
expect 'totty' "/dev/tty"
type_line "$busybox setsid $busybox sh -c 'cat < /dev/tty || echo no\"\"ctty'"
expect 'noctty' "/dev/tty in a session of its own"

type_line 'exit 3'
expect 'host\$ *$' "the end"
type_line 'echo status $?; stty -g > after; cmp before after && echo sa""me'
expect 'status 3' "the status"
expect 'same' "the terminal's attributes afterwards"

# Raw mode, and death by a signal: the terminal is as before.
mux send-keys -t t C-l
type_line "clear; $vmbox_run $busybox sh -c '$busybox stty raw -echo; echo is\"\"raw; exec $busybox sleep 1000'; stty -g > after; cmp before after && echo restor\"\"ed"
expect 'israw' "raw mode"
pid=$(vmbox_pid 'stty raw')
[ -n "$pid" ] && kill -TERM "$pid" || fail "no vmbox to kill"
expect 'restored' "the attributes after kill -TERM"

# ^Z without a shell in the guest stops vmbox itself, and fg goes on.
type_line "clear; $vmbox_run $busybox sh -c '$busybox stty -echo; echo is\"\"running; $busybox sleep 1000; echo not\"\"reached'"
expect 'isrunning' "a program alone"
key C-z
expect 'Stopped' "^Z stops vmbox"
type_line 'stty -g > after; cmp before after && echo giv""en'
expect 'given' "the attributes while vmbox is stopped"
# Another prompt: the one from before is still on the screen until fg has cleared it.
type_line 'PS1="ho""st2$ "; clear; fg'
pid=$(vmbox_pid running)
until_true grep -q '^State:[[:space:]]*[^T[:space:]]' "/proc/$pid/status" || fail "fg does not continue it"
key C-c
expect 'host2\$ *$' "^C ends it"
type_line 'stty -g > after; cmp before after && echo un""changed'
expect 'unchanged' "the attributes after ^C"
finish
