// Disturbs the disk and the wall clock of one process, which loads this library by LD_PRELOAD.
//
// The functions below replace those of the C library. They read the faults from a file that the
// test has created and both map: the environment variable MACHINE_FAULTS names it. `machine.rs` has the
// same fields in the same order. Only writes and syncs of the ledger's database and of its
// write-ahead log fail; the log, the lock file and sockets work.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct {
    // The test sets these. 0 means no fault.
    _Atomic int64_t fail_syncs, fail_writes, stall_ms, clock_ms;
    // The library counts these.
    _Atomic int64_t loaded, failed_syncs, failed_writes, stalled_syncs, long_stalls, clock_reads;
} *control;

// A stall that is longer than the time after which the gateway does not send a create.
enum { LONG_STALL_MS = 1000 };

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("MACHINE_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        // A gateway without faults would prove nothing.
        perror("the library with the faults cannot map the file MACHINE_FAULTS");
        abort();
    }
    close(fd);
    control = mapped;
    control->loaded++;
}

// The function of the C library that `name` replaces. Other libraries may call it before `load`.
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_ledger(int fd) {
    char link[32], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return name && (!strcmp(name, "/ledger.db") || !strcmp(name, "/ledger.db-wal"));
}

// The disk is full. A long write is cut in half first, so that half of it is in the file.
static int is_full(int fd, size_t *count) {
    if (!control || !control->fail_writes || !is_ledger(fd)) return 0;
    if (control->failed_writes++ % 2 || *count < 2) return 1;
    *count /= 2;
    return 0;
}

static int sync_fails(int fd) {
    if (!control || (!control->fail_syncs && !control->stall_ms) || !is_ledger(fd)) return 0;
    int64_t stall_ms = control->stall_ms;
    if (stall_ms) {
        control->stalled_syncs++;
        control->long_stalls += stall_ms > LONG_STALL_MS;
        struct timespec left = {stall_ms / 1000, stall_ms % 1000 * 1000000};
        while (nanosleep(&left, &left)) {}
    }
    if (!control->fail_syncs) return 0;
    control->failed_syncs++;
    return 1;
}

// Returns -1 with `number` in errno.
static int fails(int number) {
    errno = number;
    return -1;
}

int fsync(int fd) {
    REAL(fsync);
    return sync_fails(fd) ? fails(EIO) : real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_fails(fd) ? fails(EIO) : real(fd);
}

ssize_t write(int fd, const void *buffer, size_t count) {
    REAL(write);
    return is_full(fd, &count) ? fails(ENOSPC) : real(fd, buffer, count);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
    REAL(pwrite);
    return is_full(fd, &count) ? fails(ENOSPC) : real(fd, buffer, count, offset);
}

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t offset) {
    REAL(pwrite64);
    return is_full(fd, &count) ? fails(ENOSPC) : real(fd, buffer, count, offset);
}

static int64_t clock_step_ms(void) {
    int64_t step = control ? control->clock_ms : 0;
    if (step) control->clock_reads++;
    return step;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    int result = real(clock, time);
    if (result || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    int64_t ns = time->tv_sec * 1000000000LL + time->tv_nsec + clock_step_ms() * 1000000LL;
    time->tv_sec = ns / 1000000000LL;
    time->tv_nsec = ns % 1000000000LL;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time)) return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
