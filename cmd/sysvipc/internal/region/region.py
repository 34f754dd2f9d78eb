import ctypes
import errno
import hashlib
import io
import math
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time


class Removed(OSError):
    """The region was removed: open it again."""


class Changed(OSError):
    """The region has another type under that name: print this file again."""


class Damaged(OSError):
    """This is no region, or of another version, or damaged."""


class Full(OSError):
    """The map is full."""


class Closed(EOFError):
    """The chan is closed, and for a receiver also drained."""


class Busy(RuntimeError):
    """Others change it faster than it can be read."""


class NeedsCompiler(RuntimeError):
    """What was asked for needs a C compiler: the name of one in the environment as CC, or cc."""


def _fail(err, what):
    if err == errno.EIDRM:
        raise Removed(err, "the region was removed: open it again", what)
    if err == errno.EPROTOTYPE:
        raise Changed(err, "it has another kind or type: print this file again", what)
    if err == errno.EPROTO:
        raise Damaged(err, "this is no region, or of another version, or damaged", what)
    if err == errno.ENOSPC:
        raise Full(err, "the map is full", what)
    if err in (errno.ENODATA, errno.EPIPE):
        raise Closed("%s: the chan is closed" % what)
    if err == errno.EXDEV:
        raise OSError(err, "the region is open in another PID namespace: run all in one", what)
    if err == errno.EBUSY:
        raise Busy("%s: it changes faster than it can be read" % what)
    if err:
        raise OSError(err, os.strerror(err), what)


_MACHINE = platform.machine()
# Words are loaded in order, and whole: by what the machine promises, or by the shared object.
_ORDERED = _MACHINE == "x86_64"


class _Native:
    """The shared object: it is compiled once, and kept in the user's cache."""

    loaded = None

    @classmethod
    def get(cls):
        if cls.loaded is None:
            cls.loaded = cls._load()
        return cls.loaded

    @staticmethod
    def _load():
        source = _C.encode()
        name = "region-%s-%s.so" % (_MACHINE, hashlib.sha256(source).hexdigest()[:32])
        cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sysvipc")
        try:
            os.makedirs(cache, 0o700, exist_ok=True)
            st = os.lstat(cache)
            kept = st.st_uid == os.geteuid() and not st.st_mode & 0o22 and os.access(cache, os.W_OK)
        except OSError:
            kept = False
        path = os.path.join(cache, name)
        if kept and os.path.exists(path):
            return ctypes.CDLL(path)
        with tempfile.TemporaryDirectory(dir=cache if kept else None) as scratch:
            c, so = os.path.join(scratch, "region.c"), os.path.join(scratch, name)
            with io.open(c, "wb") as f:
                f.write(source)
            cc = (os.environ.get("CC") or "cc").split() or ["cc"]
            command = cc + ["-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread", "-o", so, c]
            try:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            except OSError as e:
                raise NeedsCompiler(
                    "this needs a C compiler: %s: %s (install gcc, or set CC; on x86_64, open(readonly=True) works without)"
                    % (cc[0], e.strerror)
                ) from None
            if done.returncode:
                raise NeedsCompiler("%s: %s" % (" ".join(command), done.stdout.decode(errors="replace").strip()))
            if kept:
                os.rename(so, path)
                so = path
            return ctypes.CDLL(so)


def _native():
    if sys.maxsize < 1 << 32 or "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        raise NotImplementedError("regions need 64-bit Linux with glibc")
    n = _Native.get()
    if not hasattr(n, "typed"):
        p, u, i = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int
        for name, result, args in (
            ("word", u, (p,)),
            ("open", i, (i, ctypes.c_char_p, i, p, p, p)),
            ("close", i, (p,)),
            ("removed", ctypes.c_bool, (p,)),
            ("listen", ctypes.c_uint32, (p, u)),
            ("sleep", None, (p, ctypes.c_uint32, i)),
            ("word_store", i, (p, u, p, u)),
            ("add", ctypes.c_int64, (p, u, ctypes.c_int64)),
            ("cells_store", i, (p, u, u, u, p, p)),
            ("chan", i, (p, ctypes.c_char_p, u, ctypes.c_char_p, u, p)),
            ("send", i, (p, p, i)),
            ("receive", i, (p, p, i)),
            ("map", i, (p, ctypes.c_char_p, u, ctypes.c_char_p, u, u, p)),
            ("map_load", i, (p, p, p)),
            ("map_store", i, (p, p, p)),
            ("map_delete", i, (p, p)),
            ("map_entries", i, (p, u, p, p)),
            ("topic", i, (p, ctypes.c_char_p, u, ctypes.c_char_p, u, p)),
            ("publish", i, (p, p, i)),
            ("subscribe", i, (p, ctypes.c_bool, p)),
            ("next", i, (p, p, p, i)),
            ("unsubscribe", None, (p,)),
        ):
            f = getattr(n, "sysvipc_py_" + name)
            f.restype, f.argtypes = result, args
            setattr(n, name, f)
        n.typed = True
    return n


def _word(at):
    """The word at an address: no load before it or after it passes it."""
    if _ORDERED:  # x86 does not reorder loads, and an aligned word is loaded whole
        return ctypes.c_uint64.from_address(at).value
    return _native().word(at)


def _round(n, unit):
    return (n + unit - 1) // unit * unit


def _power(n):
    return 1 << max(n - 1, 0).bit_length()


def _fnv(data):
    h = 14695981039346656037
    for c in data:
        h = (h ^ c) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return h


def _xxh64(b):
    m, p1, p2, p3 = 0xFFFFFFFFFFFFFFFF, 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5

    def turned(n, by):
        n &= m
        return (n << by | n >> (64 - by)) & m

    def mixed(acc, word):
        return turned(acc + word * p2, 31) * p1 & m

    def number(at, n):
        return int.from_bytes(b[at : at + n], "little")

    size, at = len(b), 0
    h = p5
    if size >= 32:
        v = [p1 + p2 & m, p2, 0, -p1 & m]
        while size - at >= 32:
            for i in range(4):
                v[i] = mixed(v[i], number(at, 8))
                at += 8
        h = turned(v[0], 1) + turned(v[1], 7) + turned(v[2], 12) + turned(v[3], 18)
        for x in v:
            h = ((h ^ mixed(0, x)) * p1 + p4) & m
    h = h + size & m
    while size - at >= 8:
        h = (turned(h ^ mixed(0, number(at, 8)), 27) * p1 + p4) & m
        at += 8
    if size - at >= 4:
        h = (turned(h ^ number(at, 4) * p1, 23) * p2 + p3) & m
        at += 4
    for c in b[at:]:
        h = turned(h ^ c * p5, 11) * p1 & m
    h = (h ^ h >> 33) * p2 & m
    h = (h ^ h >> 29) * p3 & m
    return h ^ h >> 32


class _Type:
    """How values lie in the region: strs are its texts, blanks what does not count in keys."""

    def __init__(self, ctype, size, offsets=(), strs=(), blanks=()):
        if ctypes.sizeof(ctype) != size or any(getattr(c, f).offset != at for c, f, at in offsets):
            raise ImportError("ctypes does not lay out %s as Go does" % ctype.__name__)
        self.ctype, self.size, self.strs, self.blanks = ctype, size, strs, blanks
        self.simple = issubclass(ctype, ctypes._SimpleCData)
        self.text = issubclass(ctype, ctypes.Array) and ctype._type_ is ctypes.c_char

    def decode(self, b):
        v = self.ctype.from_buffer_copy(b)
        return v.value if self.simple or self.text else v

    def encode(self, value, key=False):
        if isinstance(value, self.ctype):
            v = value
        elif self.simple:
            v = self.ctype(value)
            if isinstance(value, int) and v.value != value:
                raise OverflowError("%r does not fit in %s" % (value, self.ctype.__name__))
        elif self.text:
            v = self.ctype()
            v.value = value
        elif isinstance(value, dict):
            v = self.ctype(**value)
        elif isinstance(value, (tuple, list)):
            v = self.ctype(*value)
        else:
            raise TypeError("want a %s, got %r" % (self.ctype.__name__, value))
        b = bytearray(v)
        for at, n in self.strs:  # zeros behind a text, up to its end
            end = b.find(0, at, at + n)
            if end >= 0:
                b[end : at + n] = bytes(at + n - end)
        if key:
            for start, end in self.blanks:
                b[start:end] = bytes(end - start)
        return bytes(b)


class Region:
    """A region that this process has open. It belongs to the thread that opened it: another thread, and a
    child after fork, opens it for itself."""

    def __init__(self, readonly=False):
        self.readonly = readonly
        self._owner, self._depth, self._closing, self._base = (os.getpid(), threading.get_ident()), 0, False, 0
        self._subscriptions, self._native = [], None
        if readonly:
            self._attach()
        else:
            self._join()
        try:
            self._slots, self._entries = self._two(72)
            self._events = (self._slots + 63) // 64 * 8
            self._table = 512 + self._slots * 192
            self._heap = self._table + self._entries * 512 + 2 * _round((self._entries + 7) // 8, 64)
            self._parts = {}
            for attribute, (make, *what) in _STRUCTURES.items():
                self._parts[attribute] = make(self, *what)
                setattr(self, attribute, self._parts[attribute])
        except BaseException:
            self.close()
            raise

    def _join(self):
        self._native = _native()
        handle, base, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint64()
        err = self._native.open(_KEY, _NAME, 0, ctypes.byref(handle), ctypes.byref(base), ctypes.byref(size))
        _fail(err, _TITLE)
        self._handle, self._base, self._size = handle, base.value, size.value

    def _attach(self):
        """As sysvipc_attach, with SHM_RDONLY."""
        if not _ORDERED:
            _native()  # whose loads are in order
        self._libc = libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype, libc.shmat.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
        libc.shmctl.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
        self._id = libc.shmget(_KEY, ctypes.c_size_t(0), 0)
        if self._id < 0:
            _fail(ctypes.get_errno(), _TITLE)
        base = libc.shmat(self._id, None, 0o10000)
        if base == ctypes.c_void_p(-1).value:
            _fail(ctypes.get_errno(), _TITLE)
        self._base = base
        try:
            segsz = int.from_bytes(self._stat()[48:56], sys.byteorder)
            header = ctypes.string_at(base, 512) if segsz >= 512 else b""
            word = ctypes.c_uint64.from_buffer_copy
            pair = ctypes.c_uint32 * 2
            if header[:8] != b"SYSVIPC1" or tuple(pair.from_buffer_copy(header, 8)) != (3, 2) or word(header, 64).value > segsz:
                _fail(errno.EPROTO, _TITLE)
            if word(header, 216).value != _fnv(header[56:216]):
                _fail(errno.EPROTO, _TITLE)
            slots, entries = pair.from_buffer_copy(header, 72)
            size = word(header, 64).value
            if not 0 < slots <= 1 << 20 or not 0 < entries <= 1 << 20 or entries & (entries - 1):
                _fail(errno.EPROTO, _TITLE)
            if 512 + slots * 192 + entries * 512 + 2 * _round((entries + 7) // 8, 64) > size:
                _fail(errno.EPROTO, _TITLE)
            if header[88:216].split(b"\0")[0] != _NAME:
                _fail(errno.ENOENT, _TITLE)
            self._size = size
        except BaseException:
            self._base = 0
            libc.shmdt(ctypes.c_void_p(base))
            raise

    def _stat(self):
        buf = ctypes.create_string_buffer(256)
        if self._libc.shmctl(self._id, 2, buf):  # IPC_STAT
            err = ctypes.get_errno()
            _fail(errno.EIDRM if err == errno.EINVAL else err, _TITLE)
        return buf.raw

    def _removed(self):
        if self.readonly:
            return int.from_bytes(self._stat()[20:22], sys.byteorder) & 0o1000  # SHM_DEST
        return self._native.removed(self._handle)

    def _two(self, offset):
        return tuple((ctypes.c_uint32 * 2).from_address(self._base + offset))

    # Each operation is inside: the memory stays until the last has ended.
    def _enter(self):
        if self._owner != (os.getpid(), threading.get_ident()):
            raise RuntimeError("%s belongs to the thread that opened it: open it again in another, and after fork" % _TITLE)
        if self._closing or not self._base:
            raise ValueError("%s is closed" % _TITLE)
        self._depth += 1
        return self._base

    def _leave(self):
        self._depth -= 1
        if self._closing and not self._depth:
            self._detach()

    def close(self):
        """Leave the region. What is under way, such as a wait below a signal handler that calls this, ends first."""
        if self._owner != (os.getpid(), threading.get_ident()) or self._closing:
            return
        self._closing = True
        if not self._depth:
            self._detach()

    def _detach(self):
        base, self._base = self._base, 0
        if not base:
            return
        if self.readonly:
            self._libc.shmdt(ctypes.c_void_p(base))
            return
        for s in self._subscriptions:
            self._native.unsubscribe(s)
        self._subscriptions = []
        _fail(self._native.close(self._handle), _TITLE)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def __getitem__(self, name):
        """The structure that has this name in the region."""
        for part in self._parts.values():
            if part.name == name:
                return part
        raise KeyError(name)

    def _find(self, name, kind, fingerprint, shape):
        """As sysvipc_find: the offset, the size and the parameters of a structure."""
        title = "%s: %s" % (_TITLE, name.decode(errors="replace"))
        h = _fnv(name) or 1
        for i in range(self._entries):
            at = self._base + self._table + (h + i) % self._entries * 512
            state = _word(at) & 0xFFFFFFFF
            if state == 0:
                break
            if state != 2:
                continue
            e = ctypes.string_at(at, 512)
            words = (ctypes.c_uint64 * 10).from_buffer_copy(e)
            if words[1] != h or words[9] & 0xFFFFFFFF != len(name) or e[80 : 80 + len(name)] != name:
                continue
            if words[0] >> 32 != kind or fingerprint and words[4] != fingerprint:
                _fail(errno.EPROTOTYPE, title)
            offset, size, n = words[2], words[3], words[9] >> 32
            if offset < self._heap or offset % 64 or size > self._size or offset > self._size - size:
                _fail(errno.EPROTO, title)
            if n <= 304:
                text = e[208 : 208 + n]
            else:
                behind = offset + _round(size, 64)
                if behind > self._size or n > self._size - behind:
                    _fail(errno.EPROTO, title)
                text = ctypes.string_at(self._base + behind, n)
            if text != shape:
                _fail(errno.EPROTOTYPE, title)
            return offset, size, tuple(words[5:9])
        _fail(errno.ENOENT, title)

    def _writable(self, title):
        if self.readonly:
            raise PermissionError(errno.EACCES, "the region is open for reading only", title)

    def _await(self, events, ready, timeout, title):
        """Returns when ready says so. A participant sleeps until it is woken, and for others it is asked
        50 times a second."""
        end = None if timeout is None else time.monotonic() + timeout
        asked, pause = time.monotonic(), 0.001
        while True:
            base = self._enter()
            try:
                rung = 0
                for n, event in enumerate(() if self.readonly else events):
                    before = self._native.listen(self._handle, event)
                    rung = rung if n else before
                if ready():
                    return
                now = time.monotonic()
                if now - asked > 0.9 or _word(base + 304) & 0xFFFFFFFF:
                    if self._removed():
                        _fail(errno.EIDRM, title)
                    asked = now
                left = 0.2 if end is None else min(0.2, end - now)
                if left <= 0:
                    raise TimeoutError(errno.ETIMEDOUT, "timed out", title)
                if not self.readonly:  # for a short time, so that signals are handled
                    self._native.sleep(self._handle, rung, math.ceil(left * 1000))
            finally:
                self._leave()
            if self.readonly:
                time.sleep(min(left, pause))
                pause = min(2 * pause, 0.02)

    def _call(self, call, timeout, title):
        """Repeats a call that waits for so many milliseconds, for short times, so that signals are handled."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = 0.2 if end is None else max(0, min(0.2, end - time.monotonic()))
            base = self._enter()
            try:
                err = call(math.ceil(left * 1000))
            finally:
                self._leave()
            if err in (errno.ETIMEDOUT, errno.EAGAIN):
                if timeout == 0:
                    err = errno.EAGAIN
                elif end is None or time.monotonic() < end:
                    continue
                else:
                    err = errno.ETIMEDOUT
            return _fail(err, title)


class _Part:
    """A structure of the region."""

    kind = 0

    def __init__(self, region, name, fingerprint, shape, typ, *more):
        self._r, self._name, self._fingerprint, self._shape, self._type = region, name, fingerprint, shape, typ
        self.name = name.decode(errors="surrogateescape")
        self._title = "%s: %s" % (_TITLE, name.decode(errors="replace"))
        self._offset, self._size, self._params = region._find(name, self.kind, fingerprint, shape)
        self._handle = None
        self._fit(*more)

    def _fit(self):
        pass

    def _misfit(self):
        _fail(errno.EPROTOTYPE, self._title)


class _Word(_Part):
    """A value of one word."""

    def _number(self):
        base = self._r._enter()
        try:
            return _word(base + self._offset)
        finally:
            self._r._leave()

    def _change(self, old, number):
        self._r._writable(self._title)
        self._r._enter()
        try:
            old = None if old is None else ctypes.byref(ctypes.c_uint64(old))
            return self._r._native.word_store(self._r._handle, self._offset, old, number)
        finally:
            self._r._leave()

    def _event(self):
        return self._offset + 64

    def watch(self, timeout=None):
        """Yields the value, and again after each change. A value that changed and changed back may be left out. With a
        timeout it raises TimeoutError when there is no change for so many seconds."""
        number = None
        while True:
            if number is not None:
                self._r._await([self._event()], lambda: self._number() != number, timeout, self._title)
            number, value = self._get()
            yield value


class Counter(_Word):
    """A number that all processes add to."""

    kind = 3

    def _fit(self):
        if self._size != 64 + self._r._events:
            self._misfit()

    def _get(self):
        number = self._number()
        return number, number - (1 << 64) if number >> 63 else number

    def load(self):
        return self._get()[1]

    def add(self, delta=1):
        """Adds, and returns the new value."""
        self._r._writable(self._title)
        if not -(1 << 63) <= delta < 1 << 63:
            raise OverflowError("%r is no 64-bit number" % delta)
        self._r._enter()
        try:
            return self._r._native.add(self._r._handle, self._offset, delta)
        finally:
            self._r._leave()

    def store(self, value):
        if not -(1 << 63) <= value < 1 << 63:
            raise OverflowError("%r is no 64-bit number" % value)
        self._change(None, value & 0xFFFFFFFFFFFFFFFF)


class Var(_Word):
    """A value."""

    kind = 2

    def _fit(self):
        size, self._stride = self._type.size, self._params[1]
        stride = 0 if size <= 8 else _round(size, 64)
        if self._params[0] != size or self._stride != stride or self._size != (128 + 4 * stride if stride else 64) + self._r._events:
            self._misfit()

    def _event(self):
        return self._offset + (128 + 4 * self._stride if self._stride else 64)

    def _get(self):
        base = self._r._enter()
        try:
            at = base + self._offset
            if not self._stride:
                number = _word(at)
                return number, self._type.decode(number.to_bytes(8, sys.byteorder)[: self._type.size])
            for _ in range(1000000):
                number = _word(at)
                value = ctypes.string_at(at + 128 + number % 4 * self._stride, self._type.size)
                # Spoiled only if a third value has been begun since.
                if (_word(at) - number) & 0xFFFFFFFFFFFFFFFF <= 2:
                    return number, self._type.decode(value)
            _fail(errno.EPROTO, self._title)
        finally:
            self._r._leave()

    def load(self):
        return self._get()[1]

    def _set(self, old, value):
        self._r._writable(self._title)
        b = self._type.encode(value)
        if not self._stride:
            return self._change(old, int.from_bytes(b.ljust(8, b"\0"), sys.byteorder))
        self._r._enter()
        try:
            old = None if old is None else ctypes.byref(ctypes.c_uint64(old))
            return self._r._native.cells_store(self._r._handle, self._offset, self._type.size, self._stride, old, b)
        finally:
            self._r._leave()

    def store(self, value):
        _fail(self._set(None, value), self._title)

    def update(self, change):
        """Stores what change makes of the value, and returns it. Change is called again if another writer was faster.
        No lock is held while it runs."""
        while True:
            number, value = self._get()
            new = change(value)
            err = self._set(number, new)
            if err != errno.EAGAIN:
                _fail(err, self._title)
                return new


class Chan(_Part):
    """Messages, each to one receiver. Timeouts are seconds: None waits for ever, and 0 not at all. Of a call that an
    exception ends, such as KeyboardInterrupt, the message may have been sent, or received, already."""

    kind = 6

    def _chan(self):
        self._r._writable(self._title)
        if self._handle is None:
            self._r._enter()
            try:
                handle = ctypes.c_void_p()
                err = self._r._native.chan(self._r._handle, self._name, self._fingerprint, self._shape, self._type.size, ctypes.byref(handle))
            finally:
                self._r._leave()
            _fail(err, self._title)
            self._handle = handle
        return self._handle

    def send(self, message, timeout=None):
        chan, b = self._chan(), self._type.encode(message)
        self._r._call(lambda ms: self._r._native.send(chan, b, ms), timeout, self._title)

    def receive(self, timeout=None):
        chan, b = self._chan(), ctypes.create_string_buffer(self._type.size)
        self._r._call(lambda ms: self._r._native.receive(chan, b, ms), timeout, self._title)
        return self._type.decode(b)

    def __iter__(self):
        """Receives until the chan is closed and drained."""
        while True:
            try:
                message = self.receive()
            except Closed:
                return
            yield message


_HOLE = 0xFFFFFFF


class Map(_Part):
    """Entries, by their keys."""

    kind = 5

    def _fit(self, key):
        self._key = key
        capacity, k, v, _ = self._params
        if k != key.size or v != self._type.size or not 0 < capacity <= 1 << 27:
            self._misfit()
        self._stripes = 1
        while self._stripes < 64 and capacity // self._stripes >= 1024:
            self._stripes *= 2
        self._cells = capacity
        if self._stripes > 1:
            share = capacity // self._stripes
            root = int(math.sqrt(share))
            self._cells = share + 8 * root + 16
        self._slots = _power(max(self._cells + self._cells // 2, 4))
        self._cells += 1
        self._value = _round(k, 8)
        stride = self._value + _round(v, 8)
        self._stride = _power(stride) if stride <= 64 else _round(stride, 64)
        self._data = 128 + _round(8 * self._slots, 64) + _round(4 * self._cells, 64)
        self._changed = self._data + _round(self._cells * self._stride, 64)
        self._stripe = self._changed + _round(self._r._events, 64)
        if self._stripes * self._stripe != self._size:
            self._misfit()

    def _map(self):
        self._r._writable(self._title)
        if self._handle is None:
            self._r._enter()
            try:
                handle = ctypes.c_void_p()
                err = self._r._native.map(
                    self._r._handle, self._name, self._fingerprint, self._shape, self._key.size, self._type.size, ctypes.byref(handle)
                )
            finally:
                self._r._leave()
            _fail(err, self._title)
            self._handle = handle
        return self._handle

    def _read(self, key):
        """The bytes of the value for a key, or None. It takes no lock."""
        h = _xxh64(key)
        base = self._r._enter()
        try:
            s = base + self._offset + h % self._stripes * self._stripe
            for tries in range(1000):
                moves = _word(s + 64)
                again = False
                for i in range(self._slots):
                    at = s + 128 + 8 * ((h >> 8) + i & (self._slots - 1))
                    word = _word(at)
                    cell = word & _HOLE
                    if not cell:
                        break
                    if cell == _HOLE or word >> 28 & 0xFF != h >> 56:
                        continue
                    if cell > self._cells:
                        _fail(errno.EPROTO, self._title)
                    entry = ctypes.string_at(s + self._data + (cell - 1) * self._stride, self._value + self._type.size)
                    if _word(at) != word:
                        again = True
                        break
                    if entry[: self._key.size] == key:
                        return entry[self._value :]
                if not again and _word(s + 64) == moves:
                    return None
                if tries % 10 == 9:
                    time.sleep(0)
            if self._r.readonly:
                _fail(errno.EBUSY, self._title)
            value = ctypes.create_string_buffer(self._type.size)
            err = self._r._native.map_load(self._map(), ctypes.create_string_buffer(key, len(key)), value)
            if err == errno.ENOENT:
                return None
            _fail(err, self._title)
            return value.raw
        finally:
            self._r._leave()

    def load(self, key, default=None):
        """The value for a key."""
        b = self._read(self._key.encode(key, key=True))
        return default if b is None else self._type.decode(b)

    get = load

    def __getitem__(self, key):
        b = self._read(self._key.encode(key, key=True))
        if b is None:
            raise KeyError(key)
        return self._type.decode(b)

    def __contains__(self, key):
        return self._read(self._key.encode(key, key=True)) is not None

    def store(self, key, value):
        """Sets the value for a key."""
        m, k, v = self._map(), self._key.encode(key, key=True), self._type.encode(value)
        self._r._enter()
        try:
            err = self._r._native.map_store(m, ctypes.create_string_buffer(k, len(k)), v)
        finally:
            self._r._leave()
        _fail(err, self._title)

    __setitem__ = store

    def delete(self, key):
        """Deletes an entry, and says whether there was one."""
        m, k = self._map(), self._key.encode(key, key=True)
        self._r._enter()
        try:
            err = self._r._native.map_delete(m, ctypes.create_string_buffer(k, len(k)))
        finally:
            self._r._leave()
        if err == errno.ENOENT:
            return False
        _fail(err, self._title)
        return True

    def __delitem__(self, key):
        if not self.delete(key):
            raise KeyError(key)

    def __len__(self):
        base = self._r._enter()
        try:
            return sum(min(_word(base + self._offset + i * self._stripe + 72), self._cells) for i in range(self._stripes))
        finally:
            self._r._leave()

    def _index(self, i):
        """The words of a stripe. Of one that changes meanwhile the halves may be of two values."""
        base = self._r._enter()
        try:
            return ctypes.string_at(base + self._offset + i * self._stripe + 128, 8 * self._slots)
        finally:
            self._r._leave()

    def _scan(self, i):
        """The entries of a stripe, as bytes."""
        base = self._r._enter()
        try:
            s = base + self._offset + i * self._stripe
            for _ in range(10):
                moves, found = _word(s + 64), {}
                for slot in range(self._slots):
                    at = s + 128 + 8 * slot
                    while True:
                        word = _word(at)
                        cell = word & _HOLE
                        if cell in (0, _HOLE):
                            break
                        if cell > self._cells:
                            _fail(errno.EPROTO, self._title)
                        entry = ctypes.string_at(s + self._data + (cell - 1) * self._stride, self._value + self._type.size)
                        if _word(at) == word:
                            found[entry[: self._key.size]] = entry[self._value :]
                            break
                if _word(s + 64) == moves:
                    return found
            if self._r.readonly:
                return found
            width = self._key.size + self._type.size
            b, n = ctypes.create_string_buffer(width * self._cells), ctypes.c_uint64()
            _fail(self._r._native.map_entries(self._map(), i, b, ctypes.byref(n)), self._title)
            whole = [b.raw[j * width : (j + 1) * width] for j in range(n.value)]
            return {e[: self._key.size]: e[self._key.size :] for e in whole}
        finally:
            self._r._leave()

    def items(self):
        """Yields the entries, in no order: none is missing that was there all the time, unless the region is open for
        reading only and entries are deleted all the time."""
        for i in range(self._stripes):
            for k, v in self._scan(i).items():
                yield self._key.decode(k), self._type.decode(v)

    def __iter__(self):
        return (k for k, _ in self.items())

    def watch(self, key=None, timeout=None):
        """Yields the value for a key, or None if there is none, and again after each change. Without a key it yields
        (key, value) of all entries, and then of those that changed; the value of one that was deleted is None."""
        if key is not None:
            k = self._key.encode(key, key=True)
            event = self._offset + _xxh64(k) % self._stripes * self._stripe + self._changed
            b = self._read(k)
            while True:
                yield None if b is None else self._type.decode(b)
                old = b
                self._r._await([event], lambda: self._read(k) != old, timeout, self._title)
                b = self._read(k)
        events = [self._offset + i * self._stripe + self._changed for i in range(self._stripes)]
        seen = [b""] * self._stripes
        known = [{} for _ in range(self._stripes)]
        while True:
            for i in range(self._stripes):
                index = self._index(i)  # before the entries: what changes from here on is seen the next time
                if index == seen[i]:
                    continue
                seen[i], before, known[i] = index, known[i], self._scan(i)
                for k, v in known[i].items():
                    if before.get(k) != v:
                        yield self._key.decode(k), self._type.decode(v)
                for k in before:
                    if k not in known[i]:
                        yield self._key.decode(k), None
            self._r._await(events, lambda: any(self._index(i) != seen[i] for i in range(self._stripes)), timeout, self._title)


class Topic(_Part):
    """Messages to all subscribers."""

    kind = 7

    def _fit(self):
        size, n, gates, _ = self._params
        event = _round(self._r._events, 64)
        self._stride = _power(max(size, 8)) if size <= 64 else _round(size, 64)
        self._n, self._news = n, self._offset + 192
        self._cells = self._news + 2 * event + 64 * gates
        if size != self._type.size or n < 4 or n & (n - 1) or self._cells + n * self._stride - self._offset != self._size:
            self._misfit()

    def _topic(self):
        self._r._writable(self._title)
        if self._handle is None:
            self._r._enter()
            try:
                handle = ctypes.c_void_p()
                err = self._r._native.topic(self._r._handle, self._name, self._fingerprint, self._shape, self._type.size, ctypes.byref(handle))
            finally:
                self._r._leave()
            _fail(err, self._title)
            self._handle = handle
        return self._handle

    def _positions(self):
        """Intent and tail: in this order, tail is not the older one."""
        base = self._r._enter()
        try:
            return _word(base + self._offset + 64), _word(base + self._offset + 72)
        finally:
            self._r._leave()

    def _copy(self, position):
        base = self._r._enter()
        try:
            return ctypes.string_at(base + self._cells + position % self._n * self._stride, self._type.size)
        finally:
            self._r._leave()

    def latest(self):
        """The newest message, or None if there was none."""
        while True:
            _, tail = self._positions()
            if not tail:
                return None
            b = self._copy(tail - 1)
            intent, now = self._positions()
            if intent <= tail - 1 + self._n:
                return self._type.decode(b)
            if now == tail:
                _fail(errno.EPROTO, self._title)

    def publish(self, message, timeout=None):
        """Publishes a message, and waits for gated subscribers that have not taken what is in its place."""
        topic, b = self._topic(), self._type.encode(message)
        self._r._call(lambda ms: self._r._native.publish(topic, b, ms), timeout, self._title)

    def subscribe(self, gated=False):
        """A subscription to what is published from now on. A gated one loses nothing, and publishers wait for it."""
        return Subscription(self, gated)


class Subscription:
    """What is published since it began. Missed is how many messages it has lost."""

    def __init__(self, topic, gated):
        self._t, self._r, self._handle, self.missed = topic, topic._r, None, 0
        if self._r.readonly:
            if gated:
                self._r._writable(topic._title)
            self._cursor = topic._positions()[1]
            return
        t = topic._topic()
        self._r._enter()
        try:
            handle = ctypes.c_void_p()
            _fail(self._r._native.subscribe(t, gated, ctypes.byref(handle)), topic._title)
            self._r._subscriptions.append(handle)
            self._handle = handle
        finally:
            self._r._leave()

    def next(self, timeout=None):
        """The next message. Timeouts are seconds: None waits for ever, and 0 not at all."""
        t = self._t
        if self._r.readonly:
            return self._poll(timeout)
        if self._handle is None:
            raise ValueError("%s: the subscription is closed" % t._title)
        b, missed = ctypes.create_string_buffer(t._type.size), ctypes.c_uint64()
        self._r._call(lambda ms: self._r._native.next(self._handle, b, ctypes.byref(missed), ms), timeout, t._title)
        self.missed = missed.value
        return t._type.decode(b)

    def _poll(self, timeout):
        t = self._t
        while True:
            if t._positions()[1] == self._cursor:
                if timeout == 0:
                    _fail(errno.EAGAIN, t._title)
                self._r._await([], lambda: t._positions()[1] != self._cursor, timeout, t._title)
            b = t._copy(self._cursor)
            intent, tail = t._positions()
            if intent <= self._cursor + t._n:
                self._cursor += 1
                return t._type.decode(b)
            half = tail - t._n // 2  # overrun: it goes on halfway between the oldest and the newest
            if half <= self._cursor:
                _fail(errno.EPROTO, t._title)
            self.missed += half - self._cursor
            self._cursor = half

    def __iter__(self):
        while True:
            yield self.next()

    def close(self):
        """Ends the subscription."""
        handle, self._handle = self._handle, None
        if handle is not None and handle in self._r._subscriptions:
            self._r._enter()
            try:
                self._r._subscriptions.remove(handle)
                self._r._native.unsubscribe(handle)
            finally:
                self._r._leave()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


def open(readonly=False):
    """Opens the region, to take part in it, as a Go program does. Readonly needs no compiler on x86_64, only reads, and
    watches by looking 50 times a second."""
    return Region(readonly)
