# A read-only --bind: what each call that writes says there is what Linux says on a read-only bind mount.
. "$BIN/cases/lib.sh"
rofs=${SPAWN%/*}/rofs
mkdir "$WORK/src" "$WORK/mnt" "$WORK/other"
"$rofs" -p "$WORK/src" || fail "cannot prepare"

cat > "$WORK/want" << 'END'
open("f", O_RDONLY): ok
open("f", O_WRONLY): EROFS
open("f", O_RDWR): EROFS
open("f", O_RDONLY | O_TRUNC): EROFS
open("f", O_RDONLY | O_CREAT, 0644): ok
open("f", O_RDWR | O_CREAT, 0644): EROFS
open("f", O_WRONLY | O_CREAT | O_EXCL, 0644): EEXIST
open("f", O_RDONLY | O_APPEND): ok
open("f", O_PATH | O_RDWR): ok
open("link", O_WRONLY): EROFS
open("dangling", O_RDONLY | O_CREAT, 0644): EROFS
open("new", O_RDONLY | O_CREAT, 0644): EROFS
open("new", O_WRONLY | O_CREAT, 0644): EROFS
open("new", O_WRONLY): ENOENT
open("none/new", O_WRONLY | O_CREAT, 0644): ENOENT
open("f/new", O_WRONLY | O_CREAT, 0644): ENOTDIR
open("d", O_WRONLY): EISDIR
open("d", O_RDONLY | O_CREAT, 0644): EISDIR
open(".", O_TMPFILE | O_RDWR, 0600): EROFS
open("fifo", O_RDWR): ok
open("fifo", O_RDONLY | O_NONBLOCK): ok
open("fifo", O_WRONLY | O_NONBLOCK): ENXIO
open("fifo", O_RDWR | O_TRUNC): ok
open("sock", O_RDWR): ENXIO
creat("f", 0644): EROFS
creat("new", 0644): EROFS
mkdir("new", 0755): EROFS
mkdir("d", 0755): EEXIST
mkdir("none/new", 0755): ENOENT
rmdir("empty"): EROFS
rmdir("d"): EROFS
rmdir("none"): EROFS
rmdir("f"): EROFS
unlink("f"): EROFS
unlink("link"): EROFS
unlink("none"): EROFS
unlink("d"): EROFS
link("f", "new"): EROFS
link("f", "run"): EEXIST
link("none", "new"): ENOENT
symlink("f", "new"): EROFS
symlink("f", "link"): EEXIST
mknod("new", S_IFREG | 0644, 0): EROFS
mknod("new", S_IFIFO | 0644, 0): EROFS
mknod("f", S_IFIFO | 0644, 0): EEXIST
rename("f", "new"): EROFS
rename("f", "run"): EROFS
rename("f", "f"): EROFS
rename("none", "new"): EROFS
rename("d", "d/sub/x"): EROFS
renameat2(AT_FDCWD, "f", AT_FDCWD, "run", RENAME_EXCHANGE): EROFS
renameat2(AT_FDCWD, "f", AT_FDCWD, "none", RENAME_EXCHANGE): EROFS
renameat2(AT_FDCWD, "f", AT_FDCWD, "run", RENAME_NOREPLACE): EROFS
renameat2(AT_FDCWD, "f", AT_FDCWD, "new", RENAME_NOREPLACE): EROFS
named_socket("new", bind): EROFS
named_socket("f", bind): EADDRINUSE
named_socket("sock", connect): ECONNREFUSED
named_socket("f", connect): ECONNREFUSED
chmod("f", 0644): EROFS
chmod("d", 0755): EROFS
chmod("none", 0644): ENOENT
fchmodat(AT_FDCWD, "link", 0600, 0): EROFS
chown("f", getuid(), getgid()): EROFS
chown("f", (uid_t)-1, (gid_t)-1): EROFS
lchown("link", getuid(), getgid()): EROFS
utimensat(AT_FDCWD, "f", now, 0): EROFS
utimensat(AT_FDCWD, "f", omit, 0): ok
utimensat(AT_FDCWD, "f", NULL, 0): EROFS
utimensat(AT_FDCWD, "link", now, AT_SYMLINK_NOFOLLOW): EROFS
utimes("f", NULL): EROFS
utime("f", NULL): EROFS
truncate("f", 0): EROFS
truncate("f", 5): EROFS
truncate("d", 0): EISDIR
truncate("fifo", 0): EINVAL
setxattr("f", "user.a", "x", 1, 0): EROFS
setxattr("d", "user.a", "x", 1, 0): EROFS
lsetxattr("f", "user.a", "x", 1, XATTR_REPLACE): EROFS
removexattr("f", "user.a"): EROFS
access("f", R_OK): ok
access("f", W_OK): EROFS
access("f", R_OK | W_OK): EROFS
access("link", W_OK): EROFS
access("d", W_OK): EROFS
access("fifo", W_OK): ok
access("sock", W_OK): ok
access("none", W_OK): ENOENT
access("run", X_OK): ok
faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS): EROFS
faccessat(AT_FDCWD, "link", W_OK, AT_SYMLINK_NOFOLLOW): EROFS
write(fd, "x", 1): EBADF
pwrite(fd, "x", 1, 0): EBADF
ftruncate(fd, 0): EINVAL
ftruncate(path, 0): EBADF
fallocate(fd, 0, 0, 10): EBADF
fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1): EBADF
sendfile(fd, in, NULL, 4): EBADF
copy_file_range(in, NULL, fd, NULL, 4, 0): EBADF
fchmod(fd, 0600): EROFS
fchmod(path, 0600): EBADF
fchmod(dir, 0700): EROFS
fchown(fd, getuid(), getgid()): EROFS
fchownat(path, "", getuid(), getgid(), AT_EMPTY_PATH): EROFS
futimens(fd, now): EROFS
futimens(dir, now): EROFS
fsetxattr(fd, "user.a", "x", 1, 0): EROFS
fremovexattr(fd, "user.a"): EROFS
fsync(fd): ok
fsync(dir): ok
fdatasync(fd): ok
syncfs(fd): ok
sync_file_range(fd, 0, 0, 0): ok
fcntl(fd, F_SETLK, &lock): EBADF
fcntl(fd, F_SETLK, &lock): ok
fcntl(fd, F_SETFL, O_APPEND): ok
map(fd, PROT_READ, MAP_SHARED): ok
map(fd, PROT_READ | PROT_WRITE, MAP_SHARED): EACCES
map(fd, PROT_WRITE, MAP_SHARED): EACCES
map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE): ok
protect(fd, MAP_SHARED): EACCES
protect(fd, MAP_PRIVATE): ok
unlinkat(dir, "sub", AT_REMOVEDIR): EROFS
mkdirat(dir, "new", 0755): EROFS
linkat(fd, "", dir, "new", AT_EMPTY_PATH): EROFS
open(name, O_RDWR): EROFS
open(name, O_RDONLY | O_TRUNC): EROFS
truncate(name, 0): EROFS
chmod(name, 0600): EROFS
linkat(AT_FDCWD, name, dir, "new", AT_SYMLINK_FOLLOW): EROFS
fstatvfs(fd, &vfs): ok
read-only
rename("f", to): EXDEV
link("f", to): EEXIST
rename(to, "new"): EXDEV
link(to, "new"): EROFS
linkat(fd, "", AT_FDCWD, "new", AT_EMPTY_PATH): EROFS
f: mode 100644, size 5, links 1
END

# Where this host lets us mount, it says so itself.
if unshare -m sh -c "mount --bind '$WORK/src' '$WORK/mnt' && mount -o remount,bind,ro '$WORK/mnt'" 2> /dev/null; then
	unshare -m sh -c "mount --bind '$WORK/src' '$WORK/mnt' && mount -o remount,bind,ro '$WORK/mnt' && exec '$rofs' '$WORK/mnt' '$WORK/other'" > "$WORK/out" 2> "$WORK/err" ||
		fail "natively"
	cmp -s "$WORK/want" "$WORK/out" || fail "this host says something else: $(diff "$WORK/want" "$WORK/out" | head -n 6)"
fi

vm --bind "$WORK/src:/ro" "$rofs" /ro /tmp < /dev/null
want_status 0 "a read-only bind"
cmp -s "$WORK/want" "$WORK/out" || fail "a read-only bind: $(diff "$WORK/want" "$WORK/out" | head -n 6)"
# The same where a writable tree, too, shows it.
vm --bind "$WORK/src:/rw:rw" --bind "$WORK/src:/ro" "$rofs" /ro /rw < /dev/null
want_status 0 "beside a writable one"
cmp -s "$WORK/want" "$WORK/out" || fail "beside a writable one: $(diff "$WORK/want" "$WORK/out" | head -n 6)"
[ "$(cat "$WORK/src/f")" = host ] || fail "it was written"

finish
