package interop

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// goDriver is the driver in Go.
var goDriver = ipctest.Register("driver", func(c *ipctest.ChildEnv) {
	var d driver
	for {
		line := c.Listen()
		name, rest, _ := strings.Cut(line, " ")
		verb, rest, _ := strings.Cut(rest, " ")
		run, ok := verbs[name+" "+verb]
		if !ok {
			c.Fatal("no such command:", line)
		}
		answer, err := run(&d, strings.Fields(rest))
		if err != nil {
			c.Say("fail %d", errnoOf(c, err))
			continue
		}
		c.Say("%s", strings.Join(append([]string{"ok"}, answer...), " "))
	}
})

// driver has the objects that the commands are about.
type driver struct {
	mem *sysvipc.Memory
	seg *sysvipc.Segment
	set *sysvipc.SemaphoreSet
	q   *sysvipc.Queue
}

// errnoOf returns what the other drivers would say, or what stands for a sentinel that has several errnos.
func errnoOf(c *ipctest.ChildEnv, err error) int {
	var errno syscall.Errno
	switch {
	case errors.Is(err, sysvipc.ErrRemoved):
		errno = syscall.EIDRM
	case errors.Is(err, sysvipc.ErrTooBig):
		errno = syscall.E2BIG
	case !errors.As(err, &errno), errno == syscall.EIDRM: // which should have been ErrRemoved
		c.Fatal(err)
	}
	return int(errno)
}

var background = context.Background()

// words are the arguments of a command.
type words []string

func (w words) key(i int) sysvipc.Key { k, err := sysvipc.ParseKey(w[i]); must(err); return k }
func (w words) int(i int) int64       { n, err := strconv.ParseInt(w[i], 10, 64); must(err); return n }
func (w words) has(flag string) bool  { return strings.Contains(strings.Join(w, " "), flag) }

func (w words) text(i int) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(w[i], "-"))
	must(err)
	return b
}

func (w words) ints(from int) []int {
	var values []int
	for i := range w[from:] {
		values = append(values, int(w.int(from+i)))
	}
	return values
}

func (w words) ops() []sysvipc.Op {
	var ops []sysvipc.Op
	for _, s := range w {
		s, undo := strings.CutSuffix(s, ":undo")
		at := strings.IndexAny(s, "+-=")
		index, delta := words{s[:at]}.int(0), words{strings.TrimPrefix(s[at:], "=")}.int(0)
		op := sysvipc.Add(int(index), int(delta))
		if undo {
			op = op.Undo()
		}
		ops = append(ops, op)
	}
	return ops
}

// selector is the choice that the type and the flags of msgrcv(2) make.
func (w words) selector() sysvipc.Selector {
	typ := w.int(0)
	s := sysvipc.Any
	switch {
	case typ < 0:
		s = sysvipc.UpTo(-typ)
	case typ > 0 && w.has("except"):
		s = sysvipc.Except(typ)
	case typ > 0:
		s = sysvipc.OfType(typ)
	}
	if w.has("cut") {
		s = s.Truncated()
	}
	return s
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func numbers(n ...int) []string { return strings.Fields(strings.Trim(fmt.Sprint(n), "[]")) }

// was is the answer to a command that may find that it would have to wait.
func was(done bool, err error) ([]string, error) {
	if err == nil && !done {
		err = syscall.EAGAIN
	}
	return nil, err
}

func (d *driver) attach(seg *sysvipc.Segment, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	d.seg = seg
	d.mem, err = seg.Attach(nil)
	return numbers(seg.ID()), err
}

func (d *driver) semaphores(set *sysvipc.SemaphoreSet, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	d.set = set
	return numbers(set.ID()), nil
}

func (d *driver) queue(q *sysvipc.Queue, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	d.q = q
	return numbers(q.ID()), nil
}

// count adds 1 to the number at the beginning of the segment, n times, under semaphore 0.
func (d *driver) count(n int64) error {
	lock := d.set.At(0).Undo()
	number := make([]byte, 4)
	for range n {
		if err := lock.Acquire(background, 1); err != nil {
			return err
		}
		if _, err := d.mem.ReadAt(number, 0); err != nil {
			return err
		}
		binary.NativeEndian.PutUint32(number, binary.NativeEndian.Uint32(number)+1)
		if _, err := d.mem.WriteAt(number, 0); err != nil {
			return err
		}
		if err := lock.Release(1); err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) receive(w words) ([]string, error) {
	if w.has("nowait") {
		m, ok, err := d.q.TryReceive(w.selector())
		if err == nil && !ok {
			err = syscall.ENOMSG
		}
		return []string{strconv.FormatInt(m.Type, 10), hexed(string(m.Data))}, err
	}
	if w.int(1) == whole {
		m, err := d.q.Receive(background, w.selector())
		return []string{strconv.FormatInt(m.Type, 10), hexed(string(m.Data))}, err
	}
	buf := make([]byte, w.int(1))
	n, typ, err := d.q.ReceiveInto(background, w.selector(), buf)
	if err != nil && n != 0 {
		panic(fmt.Sprint(n, " bytes with ", err))
	}
	return []string{strconv.FormatInt(typ, 10), hexed(string(buf[:n]))}, err
}

var verbs = map[string]func(d *driver, w words) ([]string, error){
	"shm make": func(d *driver, w words) ([]string, error) {
		return d.attach(sysvipc.Creator{NoReserve: true}.CreateSegment(w.key(0), w.int(1), 0o600))
	},
	"shm open": func(d *driver, w words) ([]string, error) { return d.attach(sysvipc.OpenSegment(w.key(0))) },
	"shm use":  func(d *driver, w words) ([]string, error) { return d.attach(sysvipc.SegmentByID(int(w.int(0))), nil) },
	"shm write": func(d *driver, w words) ([]string, error) {
		data := make([]byte, w.int(1))
		copy(data, w.text(2))
		_, err := d.mem.WriteAt(data, w.int(0))
		return nil, err
	},
	"shm read": func(d *driver, w words) ([]string, error) {
		data := make([]byte, w.int(1))
		_, err := d.mem.ReadAt(data, w.int(0))
		return []string{hexed(string(data))}, err
	},
	"shm remove": func(d *driver, w words) ([]string, error) { return nil, d.seg.Remove() },

	"sem make": func(d *driver, w words) ([]string, error) {
		return d.semaphores(sysvipc.CreateSemaphores(w.key(0), 0o600, w.ints(1)...))
	},
	"sem open": func(d *driver, w words) ([]string, error) { return d.semaphores(sysvipc.OpenSemaphores(w.key(0))) },
	"sem use": func(d *driver, w words) ([]string, error) {
		return d.semaphores(sysvipc.SemaphoresByID(int(w.int(0))), nil)
	},
	"sem op":  func(d *driver, w words) ([]string, error) { return nil, d.set.Do(background, w.ops()...) },
	"sem try": func(d *driver, w words) ([]string, error) { return was(d.set.TryDo(w.ops()...)) },
	"sem values": func(d *driver, w words) ([]string, error) {
		values, err := d.set.Values()
		return numbers(values...), err
	},
	"sem set": func(d *driver, w words) ([]string, error) {
		return nil, d.set.At(int(w.int(0))).SetValue(int(w.int(1)))
	},
	"sem waiters": func(d *driver, w words) ([]string, error) {
		acquire, zero, err := d.set.At(int(w.int(0))).Waiters()
		return numbers(acquire, zero), err
	},
	"sem count":  func(d *driver, w words) ([]string, error) { return nil, d.count(w.int(0)) },
	"sem remove": func(d *driver, w words) ([]string, error) { return nil, d.set.Remove() },

	"msg make": func(d *driver, w words) ([]string, error) { return d.queue(sysvipc.CreateQueue(w.key(0), 0o600)) },
	"msg open": func(d *driver, w words) ([]string, error) { return d.queue(sysvipc.OpenQueue(w.key(0))) },
	"msg use":  func(d *driver, w words) ([]string, error) { return d.queue(sysvipc.QueueByID(int(w.int(0))), nil) },
	"msg send": func(d *driver, w words) ([]string, error) {
		if w.has("nowait") {
			return was(d.q.TrySend(w.int(0), w.text(1)))
		}
		return nil, d.q.Send(background, w.int(0), w.text(1))
	},
	"msg receive": func(d *driver, w words) ([]string, error) { return d.receive(w) },
	"msg remove":  func(d *driver, w words) ([]string, error) { return nil, d.q.Remove() },
}
