package interop

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// C and Go programs change two numbers under one lock, and are killed at random: whenever the lock is free the two are
// equal, the next holder after a dead one learns of the death, and no process is stuck. SYSVIPC_KILLS=2000 makes it longer.
func TestSharedTorture(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	kills := ipctest.Kills(40)
	s := sharedTest(t)
	var workers [4]func() // each kills one, and is then replaced
	start := func(i int) {
		if i%2 == 0 {
			p := startShared(t)
			p.begin("work")
			workers[i] = p.kill
			return
		}
		p := ipctest.Start(t, sharedWorker, nil)
		p.Expect("works")
		workers[i] = p.Kill
	}
	for i := range workers {
		start(i)
	}
	for range kills {
		before, err := s.count.Load()
		good(t, err)
		for limit := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
			if now, err := s.count.Load(); err != nil || now > before+int64(rand.IntN(10_000)) {
				good(t, err)
				break
			}
			if time.Now().After(limit) {
				t.Fatal("nobody gets the lock")
			}
		}
		good(t, s.flagged())
		i := rand.IntN(len(workers))
		workers[i]()
		start(i)
	}
	for _, kill := range workers {
		kill()
	}
	if err := s.book.Lock(t.Context()); errors.Is(err, shared.ErrOwnerDied) {
		good(t, s.repair(), s.book.MarkConsistent())
	} else {
		good(t, err)
	}
	good(t, s.same(), s.flagged(), s.book.Unlock())
}

var sharedWorker = ipctest.Register("shared worker", func(c *ipctest.ChildEnv) {
	s, err := openShared()
	c.Check(err)
	c.Say("works")
	ctx := context.Background()
	for {
		if err := s.book.Lock(ctx); errors.Is(err, shared.ErrOwnerDied) {
			c.Check(s.repair())
			c.Check(s.book.MarkConsistent())
		} else {
			c.Check(err)
		}
		if err := s.same(); err != nil {
			c.Check(s.quote.Store(ctx, sharedQuote{Flag: true}))
			c.Fatal(err)
		}
		for range 100 { // so that most are killed in the midst of it
			c.Check(s.word.Update(ctx, func(n *int32) { *n++ }))
		}
		for range 100 {
			_, err := s.count.Add(1)
			c.Check(err)
		}
		c.Check(s.book.Unlock())
	}
})

// repair ends what a dead holder has begun.
func (s *sharedRegion) repair() error {
	word, err1 := s.word.Load()
	count, err2 := s.count.Load()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	_, err := s.count.Add(int64(word - int32(count))) // the word has come round many times, perhaps
	return err
}

// flagged reports whether a worker has found the two unequal.
func (s *sharedRegion) flagged() error {
	q, err := s.quote.Load()
	if err == nil && q.Flag {
		err = errors.New("a worker has found half of another's work")
	}
	return err
}

func (s *sharedRegion) same() error {
	word, err1 := s.word.Load()
	count, err2 := s.count.Load()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if word != int32(count) {
		return errors.New("changed under the lock: " + strconv.Itoa(int(word)) + " and " + strconv.Itoa(int(count)))
	}
	return nil
}
