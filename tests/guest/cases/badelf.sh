# Broken images as vmbox's own IMAGE: refused before anything runs, in one line, with 126 or 127;
# or the program dies by a signal; vmbox itself never does.
. "$BIN/cases/lib.sh"
mkdir bad
"$BIN/tools/mkbad" bad || fail "cannot make the images"
for name in $("$BIN/tools/mkbad" --list); do
	vm --mem 64M "$WORK/bad/$name" < /dev/null
	case $name in
	good | align-bad) want_status 42 "$name" ;;
	class32 | big-endian)
		case $status in 42) ;; *) want_status 126 "$name"; want_error "$name" ;; esac
		;;
	interp-missing)
		want_status 127 "$name"
		want_error "$name"
		;;
	entry-* | memsz-zero | noexec-segment | vaddr-zero | unaligned | segment-beyond | no-load | \
		overlapping | filesz-over-memsz | offset-overflow | vaddr-* | memsz-* | interp-beyond)
		# As an execve would: refused, or killed.
		case $status in
		126 | 127) want_error "$name" ;;
		135 | 137 | 139) ;;
		42) [ "$name" = vaddr-zero ] || fail "$name: it ran" ;; # root may map page 0
		*) fail "$name: status $status, want 126, 127 or death by SIGBUS, SIGKILL or SIGSEGV" ;;
		esac
		;;
	*)
		case $status in 126 | 127) ;; *) fail "$name: status $status, want 126" ;; esac
		want_error "$name"
		;;
	esac
done
# larger than the guest's memory
head -c 100000000 /dev/zero > big.tail
cat "$BIN/hello" big.tail > big
chmod 755 big
vm --mem 64M "$WORK/big" < /dev/null
want_status 0 "a big file with a small program in it"
finish
