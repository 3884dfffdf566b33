/* Loaded into the engine's process (LD_PRELOAD): notes what becomes of its files, and kills it at a named system call.

   CRASH_DIR  files below this directory are noted; -shm files are not: they are memory
   CRASH_LOG  where: one record per call, appended. Without it nothing is noted
   CRASH_AT   "sync after 3 -wal": SIGKILL right after the 3rd fsync of a file whose path holds "-wal".
              Calls: write, sync, rename, read; send: on any descriptor, where the bytes begin with the text, or with
              one of several with | between (an HTTP request is written by itself: method, path), or where a frame of
              a WebSocket client, read unmasked, holds one.

   CRASH_RO   while this file exists, every write below CRASH_DIR fails as on a file system that turned read-only

   A record: u8 kind, u8 pad[3], u32 path bytes, u64 offset, u64 data bytes, path, data. Kinds: c create, w write,
   t truncate (offset is the size), s sync begun, S sync done, r rename (the data is the new path), u unlink.
   A write is noted before it is made, a sync before and after: what is noted as synced was synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 1024
#define PATHS 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t loaded_by;
static char dir[PATHS], ro[PATHS], call[16], text[2048];
static int log_fd = -1, after, left, armed;
static char paths[FDS][PATHS];

#define REAL(name, type, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int real_open(const char *path, int flags, mode_t mode) {
    REAL("open64", int, const char *, int, ...);
    return real(path, flags, mode);
}

/* A process that was forked with this loaded reads its own orders. */
static void load(void) {
    if (loaded_by == getpid()) return;
    loaded_by = getpid();
    memset(paths, 0, sizeof paths);
    armed = 0;
    log_fd = -1;
    const char *at = getenv("CRASH_AT"), *log = getenv("CRASH_LOG"), *below = getenv("CRASH_DIR");
    char when[8] = "";
    snprintf(dir, sizeof dir, "%s", below ? below : "");
    snprintf(ro, sizeof ro, "%s", getenv("CRASH_RO") ? getenv("CRASH_RO") : "");
    if (log && *log) log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (at && sscanf(at, "%15s %7s %d %2047[^\n]", call, when, &left, text) == 4) {
        after = !strcmp(when, "after");
        armed = 1;
    }
}

static void note(char kind, const char *path, uint64_t offset, const void *data, uint64_t size) {
    if (log_fd < 0) return;
    REAL("writev", ssize_t, int, const struct iovec *, int);
    struct { char kind, pad[3]; uint32_t path; uint64_t offset, size; } head = {kind, {0}, strlen(path), offset, size};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, size}};
    if (real(log_fd, parts, 3) != (ssize_t)(sizeof head + head.path + size)) abort();
}

/* The directory itself is ours, too: to sync it makes its names durable. */
static int is_ours(const char *path) {
    size_t size = strlen(path);
    return *dir && !strncmp(path, dir, strlen(dir)) && !(size > 4 && !strcmp(path + size - 4, "-shm"));
}

static int is_read_only(void) {
    if (!*ro || access(ro, F_OK)) return 0;
    errno = EROFS;
    return 1;
}

static const char *path_of(int fd) {
    load();
    return fd >= 0 && fd < FDS && *paths[fd] ? paths[fd] : NULL;
}

/* Whether this is the call to die at; counts down on its first half. */
static int is_due(const char *name, const char *where) {
    if (!armed || strcmp(name, call) || !strstr(where, text)) return 0;
    return --left == 0;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

#define BEFORE(name, where) int due = is_due(name, where); if (due && !after) die()
#define AFTER() if (due && after) die()

static int opened(int fd, const char *path, int flags, int was_there) {
    if (fd < 0 || fd >= FDS) return fd;
    pthread_mutex_lock(&lock);
    paths[fd][0] = 0;
    if (is_ours(path)) {
        snprintf(paths[fd], PATHS, "%s", path);
        if (flags & O_CREAT && !was_there) note('c', path, 0, "", 0);
        else if (flags & O_TRUNC) note('t', path, 0, "", 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static int open_(const char *path, int flags, mode_t mode) {
    load();
    struct stat found;
    int was_there = is_ours(path) && stat(path, &found) == 0;
    if (is_ours(path) && flags & (O_CREAT | O_TRUNC) && is_read_only() && !was_there) return -1;
    return opened(real_open(path, flags, mode), path, flags, was_there);
}

#define MODE(flags) mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags) return open_(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_(path, flags, mode); }

int close(int fd) {
    REAL("close", int, int);
    load();
    if (fd >= 0 && fd < FDS) paths[fd][0] = 0;
    return real(fd);
}

static ssize_t wrote(int fd, const void *data, size_t size, off_t offset) {
    REAL("pwrite64", ssize_t, int, const void *, size_t, off_t);
    const char *path = path_of(fd);
    if (!path) return real(fd, data, size, offset);
    if (is_read_only()) return -1;
    BEFORE("write", path);
    note('w', path, offset, data, size);
    ssize_t done = real(fd, data, size, offset);
    AFTER();
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return wrote(fd, data, size, offset); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return wrote(fd, data, size, offset); }

/* Whether the bytes begin with one of the texts, or hold one anywhere. */
static int has_one_of(const unsigned char *data, size_t size, int anywhere) {
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "|");
        if (length && length <= size && !memcmp(data, at, length)) return 1;
        if (length && anywhere && memmem(data, size, at, length)) return 1;
        at += length + (at[length] == '|');
    }
    return 0;
}

/* Frames of a WebSocket client, one behind the other (RFC 6455): their payloads are masked with four bytes each. */
static int frames_hold(const unsigned char *data, size_t size) {
    static __thread unsigned char plain[1 << 16];
    while (size >= 6 && (data[0] & 0x70) == 0 && (data[1] & 0x80)) {
        size_t length = data[1] & 0x7f, head = 2;
        if (length == 126) length = (size_t)data[2] << 8 | data[3], head = 4;
        if (length == 127 || length > sizeof plain || size < head + 4 + length) return 0;
        const unsigned char *mask = data + head, *from = mask + 4;
        for (size_t i = 0; i < length; i++) plain[i] = from[i] ^ mask[i % 4];
        if (has_one_of(plain, length, 1)) return 1;
        data = from + length, size -= head + 4 + length;
    }
    return 0;
}

static int holds(const void *data, size_t size) { return has_one_of(data, size, 0) || frames_hold(data, size); }

ssize_t write(int fd, const void *data, size_t size) {
    REAL("write", ssize_t, int, const void *, size_t);
    const char *path = path_of(fd);
    if (path) {
        if (is_read_only()) return -1;
        BEFORE("write", path);
        note('w', path, lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR), data, size);
        ssize_t done = real(fd, data, size);
        AFTER();
        return done;
    }
    int due = armed && !strcmp(call, "send") && holds(data, size) && --left == 0;
    if (due && !after) die();
    ssize_t done = real(fd, data, size);
    AFTER();
    return done;
}

static int vector_is_due(const struct iovec *parts, int count) {
    load();
    if (!armed || strcmp(call, "send")) return 0;
    for (int i = 0; i < count; i++)
        if (holds(parts[i].iov_base, parts[i].iov_len)) return --left == 0;
    return 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL("writev", ssize_t, int, const struct iovec *, int);
    int due = vector_is_due(parts, count);
    if (due && !after) die();
    ssize_t done = real(fd, parts, count);
    AFTER();
    return done;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL("sendmsg", ssize_t, int, const struct msghdr *, int);
    int due = vector_is_due(message->msg_iov, message->msg_iovlen);
    if (due && !after) die();
    ssize_t done = real(fd, message, flags);
    AFTER();
    return done;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL("send", ssize_t, int, const void *, size_t, int);
    struct iovec part = {(void *)data, size};
    int due = vector_is_due(&part, 1);
    if (due && !after) die();
    ssize_t done = real(fd, data, size, flags);
    AFTER();
    return done;
}

ssize_t pread64(int fd, void *data, size_t size, off_t offset) {
    REAL("pread64", ssize_t, int, void *, size_t, off_t);
    const char *path = path_of(fd);
    if (!path) return real(fd, data, size, offset);
    BEFORE("read", path);
    ssize_t done = real(fd, data, size, offset);
    AFTER();
    return done;
}

static int truncated(int fd, off_t size) {
    REAL("ftruncate64", int, int, off_t);
    const char *path = path_of(fd);
    if (path && is_read_only()) return -1;
    if (path) note('t', path, size, "", 0);
    return real(fd, size);
}

int ftruncate64(int fd, off_t size) { return truncated(fd, size); }
int ftruncate(int fd, off_t size) { return truncated(fd, size); }

static int synced(int (*real)(int), int fd) {
    const char *path = path_of(fd);
    if (!path) return real(fd);
    BEFORE("sync", path);
    note('s', path, 0, "", 0);
    int done = real(fd);
    if (!done) note('S', path, 0, "", 0);
    AFTER();
    return done;
}

int fsync(int fd) { REAL("fsync", int, int); return synced(real, fd); }
int fdatasync(int fd) { REAL("fdatasync", int, int); return synced(real, fd); }

int rename(const char *old, const char *new) {
    REAL("rename", int, const char *, const char *);
    load();
    if (!is_ours(new)) return real(old, new);
    BEFORE("rename", new);
    note('r', old, 0, new, strlen(new));
    int done = real(old, new);
    AFTER();
    return done;
}

int unlink(const char *path) {
    REAL("unlink", int, const char *);
    load();
    if (is_ours(path)) note('u', path, 0, "", 0);
    return real(path);
}
