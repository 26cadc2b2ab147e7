# shellcheck shell=bash disable=SC2154 # here is set by who sources this
# Sourced by run and fetch-kernel: messages, the cache, the compiled helpers.
# Sets: here (this directory), cache (a directory that survives between calls).

die() {
	echo "nested: $*" >&2
	exit 125
}

# need PROGRAM PACKAGE: PROGRAM must be in PATH.
need() {
	command -v "$1" >/dev/null 2>&1 || die "$1: not found: install the package $2"
}

# The name that Debian gives an architecture.
debian_arch() {
	case $1 in
	x86_64) echo amd64 ;;
	arm64) echo arm64 ;;
	*) die "--arch $1: unknown: use x86_64 or arm64" ;;
	esac
}

host_arch() {
	case $(uname -m) in
	x86_64) echo x86_64 ;;
	aarch64) echo arm64 ;;
	*) uname -m ;;
	esac
}

# The compiler for programs that run on an architecture.
compiler() {
	if [ "$1" = "$(host_arch)" ]; then
		set -- ${CC:-cc}
		need "$1" gcc
	elif [ "$1" = arm64 ]; then
		set -- ${CC_arm64:-aarch64-linux-gnu-gcc}
		need "$1" "gcc-aarch64-linux-gnu (and libc6-dev-arm64-cross)"
	else
		set -- ${CC_x86_64:-x86_64-linux-gnu-gcc}
		need "$1" gcc-x86-64-linux-gnu
	fi
	echo "$@"
}

# tool_build NAME ARCH: compiles NAME.c, statically, once per text of NAME.c, unless
# NAME-ARCH is beside it (an installation); prints the program's path.
tool_build() {
	local source=$here/$1.c sum program cc log
	if [ -x "$here/$1-$2" ]; then
		echo "$here/$1-$2"
		return
	fi
	sum=$(cksum <"$source") || die "$1.c: cannot be read"
	program=$cache/tools/$1-$2-${sum%% *}
	if [ ! -x "$program" ]; then
		cc=$(compiler "$2") || exit 125
		mkdir -p "$cache/tools" || die "cache: cannot make $cache/tools: set XDG_CACHE_HOME"
		if ! log=$($cc -O2 -std=gnu11 -D_GNU_SOURCE -static -o "$program.$$" "$source" 2>&1); then
			rm -f "$program.$$"
			echo "$log" | tail -n 5 >&2
			die "$1.c: $cc -static failed: install gcc and libc6-dev for $2"
		fi
		mv "$program.$$" "$program"
	fi
	echo "$program"
}

# cache_set: decides where the cache is.
cache_set() {
	if [ -n "${XDG_CACHE_HOME:-}" ]; then
		cache=$XDG_CACHE_HOME/vmbox
	elif [ -n "${HOME:-}" ] && [ -w "$HOME" ]; then
		cache=$HOME/.cache/vmbox
	else
		cache=${TMPDIR:-/tmp}/vmbox-cache-$(id -u)
	fi
	cache=$cache/nested
	mkdir -p "$cache" || die "cache: cannot make $cache: set XDG_CACHE_HOME"
}
