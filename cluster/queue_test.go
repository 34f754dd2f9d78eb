package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// One receiver gets what the kernel would give it, also one in a hurry.
func TestQueueSelectsAsTheKernelDoes(t *testing.T) {
	t.Parallel()
	selectsAsTheKernelDoes(t, newQueue(t, connect(t, nil), nil), rand.New(rand.NewPCG(1, 2)), func() {})
}

// So it does if the receiver pauses for so long that what it was given in advance goes back.
func TestQueueKeepsItsOrderThroughPauses(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			counts := &clustertest.Counts{}
			q := newQueue(t, connect(t, &cluster.Options{Metrics: counts}), nil)
			rnd := rand.New(rand.NewPCG(2, seed))
			selectsAsTheKernelDoes(t, q, rnd, func() {
				if rnd.IntN(40) == 0 {
					time.Sleep(120 * time.Millisecond) // what Receive says that a pause is, and some more
				}
			})
			if counts.Get("returned") == 0 {
				t.Error("nothing was returned")
			}
		})
	}
}

func selectsAsTheKernelDoes(t *testing.T, q *cluster.Queue, rnd *rand.Rand, pause func()) {
	var want []sysvipc.Message
	for i := range 400 {
		m := sysvipc.Message{Type: rnd.Int64N(4) + 1, Data: fmt.Append(nil, i)}
		want = append(want, m)
		check(t, q.Send(t.Context(), m.Type, m.Data))
	}
	for len(want) > 0 {
		typ := rnd.Int64N(4) + 1
		sel, best := sysvipc.Any, 0
		switch rnd.IntN(4) {
		case 1:
			sel = sysvipc.OfType(typ)
			best = slices.IndexFunc(want, func(m sysvipc.Message) bool { return m.Type == typ })
		case 2:
			sel = sysvipc.Except(typ)
			best = slices.IndexFunc(want, func(m sysvipc.Message) bool { return m.Type != typ })
		case 3:
			sel, best = sysvipc.UpTo(typ), -1
			for i, m := range want {
				if m.Type <= typ && (best < 0 || m.Type < want[best].Type) {
					best = i
				}
			}
		}
		pause()
		m, ok, err := q.TryReceive(t.Context(), sel)
		check(t, err)
		switch {
		case best < 0 && ok:
			t.Fatalf("%v of %d messages gave %v, want none", sel, len(want), m)
		case best >= 0 && (!ok || string(m.Data) != string(want[best].Data) || m.Type != want[best].Type):
			t.Fatalf("%v of %d messages gave %v %d:%s, want %d:%s", sel, len(want), ok, m.Type, m.Data, want[best].Type, want[best].Data)
		case best >= 0:
			want = slices.Delete(want, best, best+1)
		}
	}
}

// Two that take turns get what one would get: nobody keeps more than was asked for.
func TestQueueOfTwoReceiversInTurn(t *testing.T) {
	t.Parallel()
	a := newQueue(t, connect(t, nil), nil)
	b, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
	check(t, err)
	for i := range 24 {
		send(t, a, int64(i%3)+1, fmt.Sprint(i))
	}
	for i := range 12 {
		q := a
		if i%2 == 1 {
			q = b
		}
		wantMessage(t, q, sysvipc.Any, fmt.Sprintf("%d:%d", i%3+1, i))
	}
	for i, q := range []*cluster.Queue{a, b, a, b} {
		wantMessage(t, q, sysvipc.OfType(2), fmt.Sprintf("2:%d", 13+3*i))
	}
	for i, q := range []*cluster.Queue{a, b, a, b} {
		wantMessage(t, q, sysvipc.UpTo(2), fmt.Sprintf("1:%d", 12+3*i))
	}
}

func TestQueueReceiversWait(t *testing.T) {
	t.Parallel()
	for _, sel := range []sysvipc.Selector{sysvipc.Any, sysvipc.OfType(3), sysvipc.UpTo(3), sysvipc.Except(2)} {
		t.Run(sel.String(), func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, connect(t, nil), nil)
			sender, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
			check(t, err)
			short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := q.Receive(short, sel); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v from an empty queue, want the deadline", err)
			}
			for i := range 20 {
				got := make(chan error, 1)
				go func() {
					m, err := q.Receive(soon(t), sel)
					if err == nil && (m.Type != 3 || string(m.Data) != fmt.Sprint(i)) {
						err = fmt.Errorf("got %d:%s, want 3:%d", m.Type, m.Data, i)
					}
					got <- err
				}()
				send(t, sender, 3, fmt.Sprint(i))
				check(t, <-got)
			}
			// Nothing is lost to the one that was cancelled.
			st, err := q.Stat(t.Context())
			check(t, err)
			if st.Messages != 0 {
				t.Errorf("%d messages are left, want none", st.Messages)
			}
		})
	}
}

// Many receivers and senders at once: each message comes once, each sender's in order.
func TestQueueUnderLoad(t *testing.T) {
	t.Parallel()
	for _, sel := range []sysvipc.Selector{sysvipc.Any, sysvipc.OfType(1)} {
		t.Run(sel.String(), func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, connect(t, nil), nil)
			other, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
			check(t, err)
			const senders, each = 4, 500
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for i := range each {
						if err := q.Send(t.Context(), 1, fmt.Append(nil, s*each+i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			got := make(chan string, senders*each)
			ctx, cancel := context.WithCancel(soon(t))
			defer cancel()
			for _, q := range []*cluster.Queue{q, q, other} {
				wg.Go(func() {
					for {
						m, err := q.Receive(ctx, sel)
						if err != nil {
							return
						}
						got <- string(m.Data)
					}
				})
			}
			seen := map[string]int{}
			for range senders * each {
				select {
				case s := <-got:
					seen[s]++
				case <-ctx.Done():
					t.Fatalf("%d of %d messages came", len(seen), senders*each)
				}
			}
			cancel()
			wg.Wait()
			if len(seen) != senders*each {
				t.Errorf("%d different messages came, want %d", len(seen), senders*each)
			}
		})
	}
}

// A message in flight is delivered again only after a silence of its receiver, by the servers' times and whatever the
// machine does meanwhile. It is, when the receiver has died.
func TestQueueRedelivers(t *testing.T) {
	t.Parallel()
	const wait = time.Second
	q := newQueue(t, connect(t, nil), &cluster.QueueOptions{AckWait: wait})
	words := watchAcks(t, q)
	for range 20 { // until one is in flight for long: on a busy machine this process may be silent
		conn := connect(t, nil)
		dying, err := conn.OpenQueue(t.Context(), t.Name())
		check(t, err)
		send(t, q, 1, "first")
		d, err := dying.Take(soon(t), sysvipc.Any)
		check(t, err)
		if string(d.Data) != "first" || d.Attempt != 1 {
			t.Fatalf("took %q, attempt %d", d.Data, d.Attempt)
		}
		taken := make(chan *cluster.Delivery, 1)
		go func() {
			d, err := q.Take(soon(t), sysvipc.OfType(1))
			if err != nil {
				t.Error(err)
			}
			taken <- d
		}()
		lasted := words(wait, 5*wait/2)
		conn.NATS().Close() // as if it had died
		again := <-taken
		if again == nil {
			return
		}
		if string(again.Data) != "first" || again.Attempt < 2 {
			t.Fatalf("took %q, attempt %d; want the first again", again.Data, again.Attempt)
		}
		check(t, again.Return(t.Context()))
		again, err = q.Take(soon(t), sysvipc.OfType(1))
		check(t, err)
		check(t, again.Ack(t.Context()))
		if st, err := q.Stat(t.Context()); err != nil || st.Messages != 0 {
			t.Errorf("stat gives %d messages, %v; want none", st.Messages, err)
		}
		if lasted {
			return
		}
	}
	t.Error("each was delivered again while its receiver lived")
}

// watchAcks returns what waits until the receiver of the next message of type 1 has said for so long that it works on it,
// or until the message is delivered again: which the servers may do only after a silence of wait.
func watchAcks(t *testing.T, q *cluster.Queue) func(wait, enough time.Duration) (lasted bool) {
	t.Helper()
	js, err := jetstream.New(connect(t, nil).NATS())
	check(t, err)
	stream, err := js.CreateStream(soon(t), jetstream.StreamConfig{
		Name: t.Name() + "_acks", Subjects: []string{"$JS.ACK." + q.Stream() + ".t1.>"}, NoAck: true, Storage: jetstream.MemoryStorage,
	})
	check(t, err)
	t.Cleanup(func() { js.DeleteStream(context.WithoutCancel(t.Context()), t.Name()+"_acks") })
	c, err := stream.OrderedConsumer(soon(t), jetstream.OrderedConsumerConfig{})
	check(t, err)
	message := ""
	return func(wait, enough time.Duration) bool {
		var first, last time.Time
		silence, before := time.Duration(0), message
		for {
			m, err := c.Next(jetstream.FetchContext(soon(t)))
			check(t, err)
			at, err := m.Metadata()
			check(t, err)
			of := strings.Split(m.Subject(), ".") // $JS.ACK.STREAM.CONSUMER.ATTEMPT.MESSAGE…
			switch {
			case string(m.Data()) != "+WPI" || of[5] == before:
				continue
			case of[4] != "1": // the next receiver has it
				receiver, err := js.Consumer(soon(t), q.Stream(), "t1")
				check(t, err)
				silence = max(silence, receiver.CachedInfo().Delivered.Last.Sub(last))
				if !last.IsZero() && silence < wait/2 { // twice as often is promised, and the servers may hear it late
					t.Fatalf("a message is delivered again whose receiver was never silent for longer than %v", silence)
				}
				t.Logf("this process was silent for %v", silence)
				message = of[5]
				return false
			case first.IsZero():
				first = at.Timestamp
			default:
				silence = max(silence, at.Timestamp.Sub(last))
			}
			if last = at.Timestamp; last.Sub(first) >= enough {
				message = of[5]
				return true
			}
		}
	}
}

func TestQueueMessagesAcknowledgesAfterTheBody(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), nil)
	for i := range 50 {
		send(t, q, 1, fmt.Sprint(i))
	}
	i := 0
	for m, err := range q.Messages(soon(t), sysvipc.Any) {
		check(t, err)
		if string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, m.Data)
		}
		if st, err := q.Stat(t.Context()); i < 3 && (err != nil || st.Messages != int64(50-i)) {
			t.Fatalf("in the body of message %d there are %d messages, %v", i, st.Messages, err)
		}
		if i++; i == 50 {
			break
		}
	}
	if st, err := q.Stat(t.Context()); err != nil || st.Messages != 0 {
		t.Errorf("stat gives %d messages, %v; want none", st.Messages, err)
	}
}

func TestQueueFullBlocksTheSender(t *testing.T) {
	t.Parallel()
	for _, opts := range []cluster.QueueOptions{{MaxMessages: 2}, {MaxBytes: 800}} {
		t.Run(fmt.Sprint(opts.MaxMessages), func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, connect(t, nil), &opts)
			sender, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
			check(t, err)
			data := make([]byte, 250)
			n := 0
			for {
				ok, err := sender.TrySend(t.Context(), 1, data)
				check(t, err)
				if !ok {
					break
				}
				n++
			}
			if n != 2 {
				t.Fatalf("%d messages fitted, want 2", n)
			}
			short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := sender.Send(short, 1, data); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v from a full queue, want the deadline", err)
			}
			sent := make(chan error, 1)
			go func() {
				for range 5 {
					if err := sender.Send(soon(t), 1, data); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			for range 7 {
				_, err := q.Receive(soon(t), sysvipc.Any)
				check(t, err)
			}
			check(t, <-sent)
			if opts.MaxBytes > 0 {
				if err := sender.Send(t.Context(), 1, make([]byte, 1000)); !errors.Is(err, sysvipc.ErrTooBig) {
					t.Errorf("got %v for what never fits, want ErrTooBig", err)
				}
			}
			if err := sender.Send(t.Context(), 1, make([]byte, 2<<20)); !errors.Is(err, sysvipc.ErrTooBig) {
				t.Errorf("got %v for 2 MiB, want ErrTooBig", err)
			}
		})
	}
}

func TestQueueComesAndGoes(t *testing.T) {
	t.Parallel()
	c := connect(t, nil)
	name := t.Name() + "/a name: * > . ü"
	if _, err := c.OpenQueue(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open gives %v, want ErrNotExist", err)
	}
	q, err := c.CreateQueue(t.Context(), name, nil)
	check(t, err)
	if _, err := c.CreateQueue(t.Context(), name, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create gives %v, want ErrExist", err)
	}
	again, err := connect(t, nil).EnsureQueue(t.Context(), name, nil)
	check(t, err)
	var waits sync.WaitGroup
	for _, sel := range []sysvipc.Selector{sysvipc.Any, sysvipc.OfType(1), sysvipc.UpTo(9)} {
		waits.Go(func() {
			if _, err := again.Receive(soon(t), sel); !errors.Is(err, sysvipc.ErrRemoved) || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a receiver of %v gets %v, want ErrRemoved", sel, err)
			}
		})
	}
	for {
		info, err := again.Stat(t.Context())
		check(t, err)
		if info.Messages == 0 {
			break
		}
	}
	check(t, q.Remove(t.Context()))
	waits.Wait()
	if err := again.Send(t.Context(), 1, nil); !errors.Is(err, sysvipc.ErrRemoved) {
		t.Errorf("send gives %v, want ErrRemoved", err)
	}
	if _, err := again.Stat(t.Context()); !errors.Is(err, sysvipc.ErrRemoved) {
		t.Errorf("stat gives %v, want ErrRemoved", err)
	}
	for _, name := range []string{"", string(make([]byte, 65))} {
		if _, err := c.EnsureQueue(t.Context(), name, nil); err == nil {
			t.Errorf("name %q is taken, want an error", name)
		}
	}
}

func TestQueuePeeks(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), nil)
	for i := range 5 {
		send(t, q, int64(5-i), fmt.Sprint(i))
	}
	wantMessage(t, q, sysvipc.OfType(4), "4:1")
	for i, want := range []string{"0", "2", "3", "4"} {
		m, err := q.Peek(t.Context(), i)
		check(t, err)
		if string(m.Data) != want {
			t.Errorf("message %d is %q, want %q", i, m.Data, want)
		}
	}
	if _, err := q.Peek(t.Context(), 4); !errors.Is(err, sysvipc.ErrWouldBlock) {
		t.Errorf("got %v behind the last message, want ErrWouldBlock", err)
	}
	types, err := q.Types(t.Context())
	check(t, err)
	if len(types) != 4 || types[5] != 1 || types[4] != 0 {
		t.Errorf("types are %v", types)
	}
}

// One client's receivers know what it has sent, also if no hint ever comes: from this Queue or another of the same
// connection.
func TestQueueReadsItsWrites(t *testing.T) {
	t.Parallel()
	s, _ := plainServer(t, natsserver.Options{Users: []*natsserver.User{{
		Username: "u", Password: "p", Permissions: &natsserver.Permissions{Subscribe: &natsserver.SubjectPermission{Deny: []string{"sysvipc.h.>"}}},
	}}})
	c, err := cluster.Connect(soon(t), s.ClientURL(), nil, nats.UserInfo("u", "p"))
	check(t, err)
	t.Cleanup(func() { clustertest.CloseSoon(c) })
	q := newQueue(t, c, nil)
	other, err := c.OpenQueue(soon(t), q.Name())
	check(t, err)
	// It has looked at all of these types, and found some of them empty.
	for typ := range int64(4) {
		send(t, q, typ+1, "")
		wantMessage(t, q, sysvipc.Any, fmt.Sprintf("%d:", typ+1))
	}
	if _, ok, err := q.TryReceive(soon(t), sysvipc.Any); ok || err != nil {
		t.Fatalf("got a message of an empty queue: %v, %v", ok, err)
	}
	for _, from := range []*cluster.Queue{q, other} {
		send(t, q, 1, "kept")
		send(t, from, 4, "a")
		send(t, from, 3, "b")
		wantMessage(t, q, sysvipc.Except(1), "4:a")
		wantMessage(t, q, sysvipc.UpTo(3), "1:kept")
		send(t, from, 4, "c")
		send(t, from, 2, "d")
		wantMessage(t, q, sysvipc.UpTo(4), "2:d")
		wantMessage(t, q, sysvipc.Any, "3:b")
		wantMessage(t, q, sysvipc.Any, "4:c")
		send(t, from, 2, "e")
		d, err := from.Take(soon(t), sysvipc.OfType(2))
		check(t, err)
		send(t, from, 3, "f")
		check(t, d.Return(soon(t)))
		wantMessage(t, q, sysvipc.Any, "2:e")
		wantMessage(t, q, sysvipc.Any, "3:f")
	}
}

// A receiver whose queue is removed gets ErrRemoved at whatever moment that comes.
func TestReceiveBesideRemove(t *testing.T) {
	t.Parallel()
	conn, other := connect(t, nil), connect(t, nil)
	for i := range 100 {
		name := fmt.Sprint(t.Name(), i)
		q, err := conn.EnsureQueue(t.Context(), name, nil)
		check(t, err)
		again, err := other.OpenQueue(t.Context(), name)
		check(t, err)
		gone := make(chan error, 1)
		go func() {
			_, err := again.Receive(t.Context(), sysvipc.OfType(7))
			gone <- err
		}()
		check(t, q.Remove(t.Context()))
		if err := <-gone; !errors.Is(err, sysvipc.ErrRemoved) {
			t.Fatalf("round %d: %v, want ErrRemoved", i, err)
		}
	}
}
