# The Python side of the tests: the protocol of interop_linux_test.go, by sysv_ipc. Its semaphores are the first of a set.
import errno
import re
import struct
import sys

import sysv_ipc

WHOLE = 8192  # sysv_ipc sends and receives up to 2048 bytes by default

shm = sem = msg = None


def unhex(s):
    return b"" if s == "-" else bytes.fromhex(s)


def hexed(b):
    return b.hex() or "-"


def shm_make(key, size):
    global shm
    shm = sysv_ipc.SharedMemory(int(key, 0), sysv_ipc.IPC_CREX, 0o600, int(size), b"\0")
    return shm.id


def shm_open(key):
    global shm
    shm = sysv_ipc.SharedMemory(int(key, 0))
    return shm.id


def shm_use(id):
    global shm
    shm = sysv_ipc.attach(int(id))
    return shm.id


def shm_write(offset, size, text):
    shm.write(unhex(text).ljust(int(size), b"\0"), int(offset))


def shm_read(offset, size):
    return hexed(shm.read(int(size), int(offset)))


def shm_remove():
    shm.remove()


def sem_make(key, value):
    global sem
    sem = sysv_ipc.Semaphore(int(key, 0), sysv_ipc.IPC_CREX, 0o600, int(value))
    return sem.id


def sem_open(key):
    global sem
    sem = sysv_ipc.Semaphore(int(key, 0))
    return sem.id


def sem_op(op, block=True):
    delta, undo = re.fullmatch(r"0(=0|[-+]\d+)(:undo)?", op).groups()
    sem.undo = undo is not None
    sem.block = block
    if delta == "=0":
        sem.Z()
    elif delta[0] == "-":
        sem.acquire(None, int(delta[1:]))
    else:
        sem.release(int(delta[1:]))


def sem_try(op):
    sem_op(op, block=False)


def sem_values():
    return sem.value


def sem_set(n, value):
    sem.value = int(value)


def sem_waiters(n):
    return sem.waiting_for_nonzero, sem.waiting_for_zero


def sem_remove():
    sem.remove()


def sem_count(n):
    """Adds 1 to the number at the beginning of the segment, n times, under the semaphore."""
    sem.undo = True
    for _ in range(int(n)):
        with sem:
            (number,) = struct.unpack("i", shm.read(4))
            shm.write(struct.pack("i", number + 1))


def msg_make(key):
    global msg
    msg = sysv_ipc.MessageQueue(int(key, 0), sysv_ipc.IPC_CREX, 0o600, WHOLE)
    return msg.id


def msg_open(key):
    global msg
    msg = sysv_ipc.MessageQueue(int(key, 0), max_message_size=WHOLE)
    return msg.id


def msg_send(type, text, *flags):
    msg.send(unhex(text), "nowait" not in flags, int(type))


def msg_receive(type, size, *flags):
    # The size of the buffer belongs to the object.
    q = sysv_ipc.MessageQueue(msg.key, max_message_size=int(size))
    data, got = q.receive("nowait" not in flags, int(type))
    return got, hexed(data)


def msg_remove():
    msg.remove()


def ftok(project, paths):
    """The keys of the files that the lines of a list name."""
    with open(paths) as f:
        return [sysv_ipc.ftok(line.rstrip("\n"), int(project), silence_warning=True) for line in f]


def why(e, name):
    """The errno behind an exception of sysv_ipc, which tells few of them apart."""
    if isinstance(e, sysv_ipc.BusyError):
        return errno.ENOMSG if name == "msg_receive" else errno.EAGAIN
    if isinstance(e, sysv_ipc.ExistentialError):
        return {"make": errno.EEXIST, "open": errno.ENOENT}.get(name[4:], errno.EIDRM)
    if isinstance(e, sysv_ipc.PermissionsError):
        return errno.EACCES
    if isinstance(e, ValueError):
        return errno.ERANGE
    return e.errno


for line in sys.stdin:
    words = line.split()
    name = words.pop(0)
    if name != "ftok":
        name += "_" + words.pop(0)
    try:
        answer = globals()[name](*words)
    except (sysv_ipc.Error, OSError, ValueError) as e:
        print("fail", why(e, name), flush=True)
        continue
    if answer is None:
        answer = ()
    elif not isinstance(answer, (tuple, list)):
        answer = (answer,)
    print("ok", *answer, flush=True)
