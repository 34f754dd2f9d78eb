package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
	"github.com/sysvipc/sysvipc/shared"
)

// Verb stands in for the command: it executes the command lines of sysvipc that the tour has, and no others, with the
// library alone. The tour checks that either does the same.
func Verb(ctx context.Context, args []string, stdout io.Writer) error {
	l := parseLine(args)
	switch l.words[0] {
	case "rm":
		return sysvipc.SegmentByID(l.id(1)).Remove()
	case "run":
		return l.run(ctx)
	}
	var out string
	var err error
	switch l.words[0] + " " + l.words[1] {
	case "mk shm":
		var seg *sysvipc.Segment
		if seg, err = sysvipc.CreateSegment(sysvipc.Private, int64(l.number("--size")), 0o600); err == nil {
			out = fmt.Sprintf("shm:%d", seg.ID())
		}
	case "mk sem":
		var set *sysvipc.SemaphoreSet
		if set, err = sysvipc.CreateSemaphores(sysvipc.Private, 0o600, l.number("--init")); err == nil {
			out = fmt.Sprintf("sem:%d", set.ID())
		}
	case "mk msg":
		var q *sysvipc.Queue
		if q, err = sysvipc.CreateQueue(sysvipc.Private, 0o600); err == nil {
			out = fmt.Sprintf("msg:%d", q.ID())
		}
	case "shm write":
		text := make([]byte, l.number("--pad"))
		copy(text, l.words[3])
		err = withMemory(l.id(2), func(m *sysvipc.Memory) error {
			_, err := m.WriteAt(text, 0)
			return err
		})
	case "shm read":
		text := make([]byte, l.number("--length"))
		err = withMemory(l.id(2), func(m *sysvipc.Memory) error {
			_, err := m.ReadAt(text, 0)
			return err
		})
		text, _, _ = bytes.Cut(text, []byte{0})
		out = string(text)
	case "sem take":
		if limit, ok := l.flags["--timeout"]; ok {
			d, _ := time.ParseDuration(limit)
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		err = sysvipc.SemaphoresByID(l.id(2)).At(0).Acquire(ctx, 1)
	case "sem give":
		err = sysvipc.SemaphoresByID(l.id(2)).At(0).Release(1)
	case "sem op":
		err = sysvipc.SemaphoresByID(l.id(2)).Do(ctx, l.operations()...)
	case "msg send":
		err = sysvipc.QueueByID(l.id(2)).Send(ctx, int64(l.number("--type")), []byte(l.words[3]))
	case "msg recv":
		out, err = l.receive(ctx)
	case "region get":
		out, err = regionTally(ctx, l.words[2])
	case "demo creator":
		return Creator(ctx, l.words[2:], stdout)
	case "demo sharer":
		return Sharer(ctx, l.words[2:])
	default:
		err = fmt.Errorf("demo: the tour has no %q", args)
	}
	if err == nil && out != "" {
		_, err = fmt.Fprintln(stdout, out)
	}
	return err
}

// line is a command line of the tour.
type line struct {
	words []string
	flags map[string]string // "" for those without a value
	rest  []string          // behind --
}

func parseLine(args []string) line {
	l := line{flags: map[string]string{}}
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			l.rest = args[i+1:]
			return l
		case a == "--text", a == "--nowait", a == "--with-type", a == "--no-backup":
			l.flags[a] = ""
		case strings.HasPrefix(a, "--") && i+1 < len(args):
			i++
			l.flags[a] = args[i]
		default:
			l.words = append(l.words, a)
		}
	}
	return l
}

func (l line) has(flag string) bool {
	_, ok := l.flags[flag]
	return ok
}

func (l line) number(flag string) int {
	n, _ := strconv.Atoi(l.flags[flag])
	return n
}

// id is that of the object that a word names, as shm:5 does.
func (l line) id(word int) int {
	_, text, _ := strings.Cut(l.words[word], ":")
	id, err := strconv.Atoi(text)
	if err != nil {
		return -1 // nobody's
	}
	return id
}

// operations are those of words such as 0=0, 0+1 and 0-1.
func (l line) operations() (ops []sysvipc.Op) {
	for _, w := range l.words[3:] {
		if w == "0=0" {
			ops = append(ops, sysvipc.WaitZero(0))
			continue
		}
		n, _ := strconv.Atoi(w[1:])
		ops = append(ops, sysvipc.Add(0, n))
	}
	return ops
}

func (l line) receive(ctx context.Context) (string, error) {
	q, wanted := sysvipc.QueueByID(l.id(2)), sysvipc.Any
	switch {
	case l.has("--type"):
		wanted = sysvipc.OfType(int64(l.number("--type")))
	case l.has("--up-to"):
		wanted = sysvipc.UpTo(int64(l.number("--up-to")))
	}
	var m sysvipc.Message
	var err error
	if l.has("--nowait") {
		var ok bool
		if m, ok, err = q.TryReceive(wanted); err == nil && !ok {
			err = fmt.Errorf("msg:%d: no message: %w", q.ID(), sysvipc.ErrWouldBlock)
		}
	} else {
		m, err = q.Receive(ctx, wanted)
	}
	if l.has("--with-type") {
		return fmt.Sprintf("%d\t%s", m.Type, m.Data), err
	}
	return string(m.Data), err
}

func (l line) run(ctx context.Context) error {
	c := run.Default()
	c.Name, c.Command = l.flags["--name"], l.rest
	if l.has("--nowait") {
		c.Timeout = 0
	}
	slot, err := c.Take(ctx)
	if err != nil {
		return err
	}
	return slot.Become()
}

func withMemory(id int, use func(*sysvipc.Memory) error) error {
	mem, err := sysvipc.SegmentByID(id).Attach(nil)
	if err != nil {
		return err
	}
	return errors.Join(use(mem), mem.Close())
}

// regionTally returns the variable of the last chapter.
func regionTally(ctx context.Context, name string) (string, error) {
	region, err := shared.Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer region.Close()
	tally, err := shared.VarOf[counts](region, "tally")
	if err != nil {
		return "", err
	}
	now, err := tally.Load()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(now)
	return string(text), err
}
