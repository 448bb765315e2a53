/* Counts the calls that change files below a folder, and has one of them fail; loaded by LD_PRELOAD.

   FAULTY_UNDER names the folder, FAULTY_ONLY, if it is set, a part of the paths that count, FAULTY_STATE a file that
   holds a `struct state`, shared by all processes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum { COUNT, IO_ERROR, FULL, SHORT, KILL };
struct state { long calls, at, kind; };

static struct state *state;
static const char *under, *only;
static size_t length;

static int is_below(const char *path) {
    return !strncmp(path, under, length) && path[length] == '/' && (!only || strstr(path, only));
}

static int is_meant(int folder, const char *path) {
    char name[64], full[2 * PATH_MAX + 2];
    if (!state || !path) return 0;
    if (path[0] == '/') return is_below(path);
    if (folder == AT_FDCWD) { if (!getcwd(full, PATH_MAX)) return 0; }
    else {
        snprintf(name, sizeof name, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(name, full, PATH_MAX);
        if (n < 0) return 0;
        full[n] = 0;
    }
    size_t n = strlen(full);
    snprintf(full + n, sizeof full - n, "/%s", path);
    return is_below(full);
}

static int is_open(int fd) {
    char name[64], full[PATH_MAX + 1];
    if (!state) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, full, PATH_MAX);
    if (n < 0) return 0;
    full[n] = 0;
    return is_below(full);
}

/* What happens to this call: 0, or a kind of failure. A full disk stays full, and gives room freely. */
static int fate(int is_allocating) {
    long number = __atomic_add_fetch(&state->calls, 1, __ATOMIC_SEQ_CST);
    if (state->kind == FULL && state->at && number >= state->at && is_allocating) { errno = ENOSPC; return FULL; }
    if (number != state->at) return 0;
    if (state->kind == KILL) kill(getpid(), SIGKILL);
    if (state->kind == IO_ERROR) { errno = EIO; return IO_ERROR; }
    return state->kind == SHORT ? SHORT : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILS(condition, allocates) \
    if (condition) { int kind = fate(allocates); if (kind == IO_ERROR || kind == FULL) return -1; }
#define HALF(size) \
    if (is_open(fd)) { int kind = fate(1); if (kind == IO_ERROR || kind == FULL) return -1; \
                       if (kind == SHORT && size > 1) size /= 2; }

ssize_t write(int fd, const void *data, size_t size) { HALF(size) return REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { HALF(size) return REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    HALF(size) return REAL(pwrite64)(fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { HALF(count) return REAL(writev)(fd, parts, count); }

#define OPENS(name, folder, ...) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
    FAILS((flags & (O_CREAT | O_TRUNC)) && is_meant(folder, path), 1) \
    return REAL(name)(__VA_ARGS__, flags, mode);

int open(const char *path, int flags, ...) { OPENS(open, AT_FDCWD, path) }
int open64(const char *path, int flags, ...) { OPENS(open64, AT_FDCWD, path) }
int openat(int folder, const char *path, int flags, ...) { OPENS(openat, folder, folder, path) }
int openat64(int folder, const char *path, int flags, ...) { OPENS(openat64, folder, folder, path) }

int fsync(int fd) { FAILS(is_open(fd), 0) return REAL(fsync)(fd); }
int fdatasync(int fd) { FAILS(is_open(fd), 0) return REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { FAILS(is_open(fd), 0) return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { FAILS(is_open(fd), 0) return REAL(ftruncate64)(fd, size); }
enum { OURS = 0x0FAB };
/* In a register that the call does not use: known to `trap` below. */
int rename(const char *from, const char *to) { FAILS(is_meant(AT_FDCWD, to), 1) return REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    FAILS(is_meant(b, to), 1) return syscall(SYS_renameat, a, from, b, to, 0, OURS);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    FAILS(is_meant(b, to), 1) return REAL(renameat2)(a, from, b, to, flags);
}
int link(const char *from, const char *to) { FAILS(is_meant(AT_FDCWD, to), 1) return REAL(link)(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    FAILS(is_meant(b, to), 1) return REAL(linkat)(a, from, b, to, flags);
}
int unlink(const char *path) { FAILS(is_meant(AT_FDCWD, path), 0) return REAL(unlink)(path); }
int unlinkat(int a, const char *path, int flags) { FAILS(is_meant(a, path), 0) return REAL(unlinkat)(a, path, flags); }
int rmdir(const char *path) { FAILS(is_meant(AT_FDCWD, path), 0) return REAL(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { FAILS(is_meant(AT_FDCWD, path), 1) return REAL(mkdir)(path, mode); }
int mkdirat(int a, const char *path, mode_t mode) { FAILS(is_meant(a, path), 1) return REAL(mkdirat)(a, path, mode); }

/* Rust's tempfile renames by a system call of its own, past the C library: the kernel hands that one over here. */
static void renamed(int number, siginfo_t *info, void *context) {
    (void)number; (void)info;
    int former = errno;
#if defined(__x86_64__)
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    long args[] = {regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10]}, result;
#else
    unsigned long long *regs = ((ucontext_t *)context)->uc_mcontext.regs;
    long args[] = {regs[0], regs[1], regs[2], regs[3]}, result;
#endif
    int kind = is_meant(args[2], (const char *)args[3]) ? fate(1) : 0;
    if (kind == IO_ERROR || kind == FULL) result = -errno;
    else {
        result = syscall(SYS_renameat, args[0], args[1], args[2], args[3], 0, OURS);
        if (result < 0) result = -errno;
    }
    errno = former;
#if defined(__x86_64__)
    regs[REG_RAX] = result;
#else
    regs[0] = result;
#endif
}

static void trap(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    struct sigaction action = {.sa_sigaction = renamed, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSYS, &action, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAULTY_STATE");
    under = getenv("FAULTY_UNDER");
    only = getenv("FAULTY_ONLY");
    if (!file || !under) return;
    length = strlen(under);
    int fd = open(file, O_RDWR);
    if (fd < 0) return;
    state = mmap(0, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (state == MAP_FAILED) state = 0;
    else trap();
}
