package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/internal/sysv"
)

// actor is a process that executes commands, line by line, and answers "ok" or what was asked for.
// What blocks goes on in the background.
var actor = ipctest.Register("actor", func(c *ipctest.ChildEnv) {
	var mapped []*sysvipc.Memory
	for {
		words := strings.Fields(c.Listen())
		n := make([]int, len(words))
		for i, w := range words {
			n[i], _ = strconv.Atoi(w)
		}
		answer := "ok"
		switch words[0] {
		case "shm": // make one: key size
			s, err := sysvipc.CreateSegment(sysvipc.Key(n[1]), int64(n[2]), 0o600)
			c.Check(err)
			answer = strconv.Itoa(s.ID())
		case "sem": // make one: key, then values are set by an operation
			s, err := sysvipc.CreateSemaphores(sysvipc.Key(n[1]), 0o600, n[2:]...)
			c.Check(err)
			answer = strconv.Itoa(s.ID())
		case "rawsem": // made by semget(2) alone
			id, errno := sysv.Semget(int32(n[1]), 1, sysv.IPC_CREAT|sysv.IPC_EXCL|0o600)
			if errno != 0 {
				c.Fatal(errno)
			}
			answer = strconv.Itoa(id)
		case "msg":
			q, err := sysvipc.CreateQueue(sysvipc.Key(n[1]), 0o600)
			c.Check(err)
			answer = strconv.Itoa(q.ID())
		case "attach":
			m, err := sysvipc.SegmentByID(n[1]).Attach(&sysvipc.AttachOptions{ReadOnly: len(n) > 2})
			c.Check(err)
			mapped = append(mapped, m)
		case "split": // the last attach becomes three mappings
			b := mapped[len(mapped)-1].Bytes()
			c.Check(unix.Mprotect(b[4096:8192], unix.PROT_READ))
		case "detach": // the last
			c.Check(mapped[len(mapped)-1].Close())
			mapped = mapped[:len(mapped)-1]
		case "op": // set index delta
			c.Check(sysvipc.SemaphoresByID(n[1]).Do(context.Background(), opsOf(n[2:])...))
		case "send": // queue type
			c.Check(sysvipc.QueueByID(n[1]).Send(context.Background(), int64(n[2]), []byte("hello")))
		case "recv":
			_, err := sysvipc.QueueByID(n[1]).Receive(context.Background(), sysvipc.Any)
			c.Check(err)
		case "remove": // a queue
			errno, _ := errnoOf(sysvipc.QueueByID(n[1]).Remove())
			answer = strconv.Itoa(int(errno))
		case "noroom": // attach a segment when there is no address space left
			var limit unix.Rlimit
			c.Check(unix.Getrlimit(unix.RLIMIT_AS, &limit))
			c.Check(unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: 0, Max: limit.Max}))
			_, err := sysvipc.SegmentByID(n[1]).Attach(nil)
			c.Check(unix.Setrlimit(unix.RLIMIT_AS, &limit))
			errno, _ := errnoOf(err)
			answer = strconv.Itoa(int(errno))
		case "block":
			go block(n, words)
		}
		c.Say("%s", answer)
	}
})

// errnoOf is the kernel's answer behind an error, 0 for none.
func errnoOf(err error) (errno syscall.Errno, ok bool) {
	return errno, errors.As(err, &errno)
}

func opsOf(n []int) (ops []sysvipc.Op) {
	for ; len(n) > 1; n = n[2:] {
		if n[1] == 0 {
			ops = append(ops, sysvipc.WaitZero(n[0]))
		} else {
			ops = append(ops, sysvipc.Add(n[0], n[1]))
		}
	}
	return ops
}

// block makes the call that was asked for, whatever comes of it.
func block(n []int, words []string) {
	ctx := context.Background()
	switch words[1] {
	case "recv": // queue selector type
		sel := map[string]sysvipc.Selector{
			"any": sysvipc.Any, "of": sysvipc.OfType(int64(n[4])), "upto": sysvipc.UpTo(int64(n[4])), "except": sysvipc.Except(int64(n[4])),
		}[words[3]]
		sysvipc.QueueByID(n[2]).Receive(ctx, sel)
	case "send": // queue type bytes
		sysvipc.QueueByID(n[2]).Send(ctx, int64(n[3]), make([]byte, n[4]))
	case "op":
		sysvipc.SemaphoresByID(n[2]).Do(ctx, opsOf(n[3:])...)
	case "timed": // set index: acquire it within an hour, as C does
		sysv.Semtimedop(n[2], []sysv.Sembuf{{Num: uint16(n[3]), Op: -1, Flg: sysv.SEM_UNDO}}, time.Hour)
	}
}

// play starts an actor.
func play(t testing.TB, opts *ipctest.Options) *player {
	return &player{t, ipctest.Start(t, actor, opts)}
}

type player struct {
	t testing.TB
	*ipctest.Process
}

// do tells the actor to do something, and returns the number that it answers with.
func (p *player) do(format string, args ...any) int {
	p.t.Helper()
	p.Tell(fmt.Sprintf(format, args...))
	answer := p.Line()
	n, err := strconv.Atoi(answer)
	if err != nil && answer != "ok" {
		p.t.Fatalf("the actor answers %q", answer)
	}
	return n
}

// look takes a snapshot. Objects are judged however young they are.
func look(t testing.TB) *Snapshot { return lookAt(t, "") }

func lookAt(t testing.TB, proc string) *Snapshot {
	t.Helper()
	s, err := Take(context.Background(), &Options{MinAge: -1, Proc: proc})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// view makes a folder that shows some real processes, and this one, as /proc shows them: what the
// others are is of no concern, nor whether this user may see them.
func view(t testing.TB, pids ...int) string {
	t.Helper()
	dir := t.TempDir()
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	self := strconv.Itoa(os.Getpid())
	link(self, "self")
	for _, name := range []string{self, "thread-self", "stat"} {
		link("/proc/"+name, name)
	}
	for _, pid := range pids {
		link("/proc/"+strconv.Itoa(pid), strconv.Itoa(pid))
	}
	return dir
}

// object is what a snapshot says of an object, which must be there.
func object(t testing.TB, s *Snapshot, kind sysvipc.Kind, id int) *Object {
	t.Helper()
	o := s.Object(kind, id)
	if o == nil {
		t.Fatalf("%v %d is not in the snapshot", kind, id)
	}
	return o
}

// users are the users in one role.
func (o *Object) users(role Role) (users []User) {
	for _, u := range o.Users {
		if u.Role == role {
			users = append(users, u)
		}
	}
	return users
}

func newSegment(t testing.TB, key sysvipc.Key, size int64) int {
	t.Helper()
	s, err := sysvipc.CreateSegment(key, size, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ipctest.RemoveLater(t, ipctest.Shm, s.ID())
	return s.ID()
}

func newSet(t testing.TB, values ...int) int {
	t.Helper()
	s, err := sysvipc.CreateSemaphores(sysvipc.Key(ipctest.Key(t)), 0o600, values...)
	if err != nil {
		t.Fatal(err)
	}
	return s.ID()
}

func newQueue(t testing.TB) int {
	t.Helper()
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return q.ID()
}

// between reports whether a time is about that long ago.
func ago(s *Snapshot, at time.Time, least, most time.Duration) bool {
	d := s.Time.Sub(at)
	return d >= least && d <= most
}
