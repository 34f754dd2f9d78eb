package cluster_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/embedded"
)

// What a semaphore is to do, as porcupine wants it: a value, and the number of grants.
type (
	semInput struct {
		kind string // take, give or read
	}
	semOutput struct {
		unknown bool // the call failed: it was done, or not, or will be
		ok      bool
		token   uint64
		value   int
	}
	semModel struct {
		value int
		token uint64
	}
)

var semaphore = porcupine.NondeterministicModel{
	Init: func() []any { return []any{semModel{value: 2}} },
	Step: func(state, input, output any) []any {
		s, in, out := state.(semModel), input.(semInput), output.(semOutput)
		taken, given := semModel{s.value - 1, s.token + 1}, semModel{s.value + 1, s.token + 1}
		switch {
		case in.kind == "read" && (out.unknown || out.value == s.value):
			return []any{s}
		case in.kind == "read":
			return nil
		case in.kind == "give" && out.unknown:
			return []any{s, given}
		case in.kind == "give":
			return []any{given}
		case out.unknown && s.value > 0:
			return []any{s, taken}
		case out.unknown || !out.ok && s.value == 0:
			return []any{s}
		case out.ok && s.value > 0 && out.token == taken.token:
			return []any{taken}
		}
		return nil
	},
	Equal: func(a, b any) bool { return a == b },
}

// history runs clients against a semaphore of 2 until stop is closed, and returns what
// they saw.
func history(t *testing.T, urls []string, ready chan<- struct{}, stop <-chan struct{}) []porcupine.Operation {
	var mu sync.Mutex
	var all []porcupine.Operation
	var wg sync.WaitGroup
	began := time.Now()
	for i, url := range urls {
		s, err := connectTo(t, url, &cluster.Options{Lease: 30 * time.Second}).EnsureSemaphores(t.Context(), t.Name(), 2)
		check(t, err)
		wg.Go(func() {
			held := 0
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				in, out := semInput{"read"}, semOutput{}
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				call := time.Since(began)
				var err error
				switch r := rand.IntN(4); {
				case r == 0:
					out.value, err = s.At(0).Value(ctx)
				case held > 0 && r < 3:
					in.kind = "give"
					err = s.Do(ctx, sysvipc.Add(0, 1))
					held--
				default:
					in.kind = "take"
					var g *cluster.Grant
					g, err = s.TryTake(ctx, sysvipc.Add(0, -1))
					if out.ok = g != nil; out.ok {
						out.token = g.Token
						held++
					}
				}
				cancel()
				end := int64(time.Since(began))
				if out.unknown = err != nil; out.unknown {
					t.Logf("client %d: %s: %v", i, in.kind, err)
					end = math.MaxInt64
				}
				mu.Lock()
				all = append(all, porcupine.Operation{ClientId: i, Input: in, Output: out, Call: int64(call), Return: end})
				mu.Unlock()
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond) // so that the history is not too long to check
			}
		})
	}
	close(ready)
	wg.Wait()
	return all
}

// Three servers, of which the leader dies, one is cut off, and all come back: semaphores
// stay linearizable, and the queue loses nothing and keeps its order.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs some seconds")
	}
	nodes, err := embedded.StartNodes(t.TempDir(), 3)
	check(t, err)
	t.Cleanup(nodes.Close)
	conn := connectTo(t, nodes.URL(), nil)
	q, err := conn.CreateQueue(t.Context(), "orders", &cluster.QueueOptions{Strict: true, AckWait: time.Second})
	check(t, err)
	if st, err := q.Stat(t.Context()); err != nil || st.Replicas != 3 {
		t.Fatalf("%d replicas, %v; want 3", st.Replicas, err)
	}
	ready, stop := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	sent, received := 0, 0
	wg.Go(func() {
		for ; ; sent++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := q.Send(t.Context(), 1, fmt.Append(nil, sent)); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	var ops []porcupine.Operation
	wg.Go(func() {
		// One client speaks to the server that is cut off.
		ops = history(t, []string{nodes.URL(), nodes.URL(), nodes.NodeURL(2)}, ready, stop)
	})
	receive := func(n int) {
		for received < n && !t.Failed() {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			m, err := q.Receive(ctx, sysvipc.OfType(1))
			cancel()
			var i int
			fmt.Sscan(string(m.Data), &i)
			switch {
			case err != nil:
				t.Error(err)
			case i == received:
				received++
			case i > received: // one that comes again is no surprise
				t.Errorf("message %d came, want %d", i, received)
			}
		}
	}
	<-ready
	receive(received + 50)
	leader := nodes.Leader("KV_sysvipc")
	for leader < 0 {
		leader = nodes.Leader("KV_sysvipc")
	}
	nodes.Stop(leader)
	receive(received + 50)
	check(t, nodes.Start(leader))
	receive(received + 50)
	nodes.Cut(2, true)
	time.Sleep(time.Second) // what happens meanwhile is the subject
	nodes.Cut(2, false)
	receive(received + 50)
	close(stop)
	wg.Wait()
	receive(sent)
	switch result, _ := porcupine.CheckOperationsVerbose(semaphore.ToModel(), ops, 10*time.Second); result {
	case porcupine.Ok:
		t.Logf("%d operations are linearizable, %d messages in order", len(ops), sent)
	case porcupine.Unknown:
		t.Logf("no answer within the time for %d operations", len(ops))
	default:
		t.Errorf("%d operations are not linearizable: %v", len(ops), ops)
	}
}
