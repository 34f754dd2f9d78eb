//go:build !race

package shared

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

type (
	triple  = [3]int64
	numbers = Map[int32, int64]
	lists   = Doc[[]int]
)

// Shorter names of what the calls below are made of.
var (
	oneTwoThree = func(ctx context.Context, x *Var[triple]) error { return x.Store(ctx, triple{1, 2, 3}) }
	send1       = func(ctx context.Context, c *Chan[int64]) error { return c.Send(ctx, 1) }
	send12      = func(ctx context.Context, c *Chan[int64]) error { _, err := c.SendBatch(ctx, []int64{1, 2}); return err }
	has2        = func(ctx context.Context, m *numbers) error { return m.Store(ctx, 2, 20) }
	has12       = func(ctx context.Context, m *numbers) error {
		return errors.Join(m.Store(ctx, 2, 20), m.Store(ctx, 1, 10))
	}
	list12   = func(ctx context.Context, d *lists) error { return d.Store(ctx, []int{1, 2}) }
	record1  = func(ctx context.Context, q *Records) error { return q.Send(ctx, nine(1)) }
	record12 = func(ctx context.Context, q *Records) error {
		return errors.Join(q.Send(ctx, nine(1)), q.Send(ctx, nine(2)))
	}
	publish1 = func(ctx context.Context, p *Topic[int64]) error { return p.Publish(ctx, 1) }

	chanReceived    = checkReceived(checkChan, "release")
	recordsReceived = checkReceived(checkRecords, "release")
)

func nothing() error { return nil }

// unrepaired is an error unless a Do has given its lock back unrepaired.
func unrepaired(err error) error {
	if err == nil {
		return errors.New("it needed no repair")
	}
	if errors.Is(err, ErrOwnerDied) {
		return nil
	}
	return err
}

// stepRoles are all of them: the type, and the methods that are called.
var stepRoles = []stepRole{
	roleOf("Mutex/Lock, Unlock", openMutex, nil, func(ctx context.Context, m *Mutex) error {
		return errors.Join(m.Lock(ctx), m.Unlock())
	}, checkMutex),
	roleOf("Mutex/TryLock, Unlock", openMutex, nil, func(_ context.Context, m *Mutex) error {
		_, err := m.TryLock()
		return errors.Join(err, m.Unlock())
	}, checkMutex),
	roleOf("Mutex/Lock, MarkConsistent, Unlock: of a dead holder", openMutex, func(_ context.Context, m *Mutex) error {
		dead((*core.Node)(m.lock.Region.View.Load().At(m.lock.Offset)))
		return nil
	}, func(ctx context.Context, m *Mutex) error {
		return errors.Join(unlessDied(m.Lock(ctx), m.MarkConsistent), m.Unlock())
	}, checkMutex),
	roleOf("Mutex/Do: of a dead holder", openMutex, func(_ context.Context, m *Mutex) error {
		dead((*core.Node)(m.lock.Region.View.Load().At(m.lock.Offset)))
		return nil
	}, func(ctx context.Context, m *Mutex) error { return m.Do(ctx, nothing, nothing) }, checkMutex),
	roleOf("Mutex/Do: of a dead holder, and the repair fails", openMutex, func(_ context.Context, m *Mutex) error {
		dead((*core.Node)(m.lock.Region.View.Load().At(m.lock.Offset)))
		return nil
	}, func(ctx context.Context, m *Mutex) error { return unrepaired(m.Do(ctx, nil, nothing)) }, checkMutex),
	roleOf("RWMutex/Lock, Unlock", openRWMutex, nil, func(ctx context.Context, m *RWMutex) error {
		return errors.Join(m.Lock(ctx), m.Unlock())
	}, checkRWMutex),
	roleOf("RWMutex/TryLock, Unlock", openRWMutex, nil, func(_ context.Context, m *RWMutex) error {
		_, err := m.TryLock()
		return errors.Join(err, m.Unlock())
	}, checkRWMutex),
	roleOf("RWMutex/Lock, MarkConsistent, Unlock: of a dead holder", openRWMutex, func(_ context.Context, m *RWMutex) error {
		dead((*core.Node)(m.lock.Region.View.Load().At(m.lock.Offset)))
		return nil
	}, func(ctx context.Context, m *RWMutex) error {
		return errors.Join(unlessDied(m.Lock(ctx), m.MarkConsistent), m.Unlock())
	}, checkRWMutex),
	roleOf("RWMutex/Do: of a dead holder, and the repair fails", openRWMutex, func(_ context.Context, m *RWMutex) error {
		dead((*core.Node)(m.lock.Region.View.Load().At(m.lock.Offset)))
		m.lock.Head(m.lock.Region.View.Load()).State = structure.RWHeld
		return nil
	}, func(ctx context.Context, m *RWMutex) error { return unrepaired(m.Do(ctx, nil, nothing)) }, checkRWMutex),
	roleOf("RWMutex/RLock, RUnlock", openRWMutex, nil, func(ctx context.Context, m *RWMutex) error {
		return errors.Join(m.RLock(ctx), m.RUnlock())
	}, checkRWMutex),
	roleOf("RWMutex/TryRLock, RUnlock", openRWMutex, nil, func(_ context.Context, m *RWMutex) error {
		_, err := m.TryRLock()
		return errors.Join(err, m.RUnlock())
	}, checkRWMutex),

	roleOf("Var/Store", openVar, oneTwoThree, func(ctx context.Context, x *Var[triple]) error {
		return x.Store(ctx, triple{4, 5, 6})
	}, checkVar(triple{1, 2, 3}, triple{4, 5, 6}, triple{7, 8, 9})),
	roleOf("Var/Update", openVar, oneTwoThree, func(ctx context.Context, x *Var[triple]) error {
		return x.Update(ctx, func(v *triple) { v[0] = 4 })
	}, checkVar(triple{1, 2, 3}, triple{4, 2, 3}, triple{7, 8, 9})),
	roleOf("Var/CompareAndSwap", openVar, oneTwoThree, func(ctx context.Context, x *Var[triple]) error {
		_, err := x.CompareAndSwap(ctx, triple{1, 2, 3}, triple{4, 5, 6})
		return err
	}, checkVar(triple{1, 2, 3}, triple{4, 5, 6}, triple{7, 8, 9})),
	roleOf("Var/Watch", openVar, oneTwoThree, func(ctx context.Context, x *Var[triple]) error { return one(x.Watch(ctx)) },
		checkVar(triple{1, 2, 3}, triple{1, 2, 3}, triple{7, 8, 9})),
	roleOf("Var/Store: of one word", openWord, func(ctx context.Context, x *Var[int32]) error { return x.Store(ctx, 1) },
		func(ctx context.Context, x *Var[int32]) error { return x.Store(ctx, 2) }, checkVar[int32](1, 2, 3)),

	roleOf("Counter/Add", openCounter, nil, func(_ context.Context, c *Counter) error { _, err := c.Add(5); return err }, checkCounter(5)),
	roleOf("Counter/Store", openCounter, nil, func(_ context.Context, c *Counter) error { return c.Store(5) }, checkCounter(5)),
	roleOf("Counter/CompareAndSwap", openCounter, nil, func(_ context.Context, c *Counter) error {
		_, err := c.CompareAndSwap(0, 5)
		return err
	}, checkCounter(5)),
	roleOf("Counter/Watch", openCounter, nil, func(ctx context.Context, c *Counter) error { return one(c.Watch(ctx)) }, checkCounter(0)),

	roleOf("Chan/Send", openChan, send1, func(ctx context.Context, c *Chan[int64]) error { return c.Send(ctx, 2) },
		checkChan([]int64{1}, []int64{1, 2})),
	roleOf("Chan/TrySend", openChan, send1, func(_ context.Context, c *Chan[int64]) error { _, err := c.TrySend(2); return err },
		checkChan([]int64{1}, []int64{1, 2})),
	roleOf("Chan/SendBatch", openChan, nil, func(ctx context.Context, c *Chan[int64]) error {
		_, err := c.SendBatch(ctx, []int64{1, 2, 3})
		return err
	}, checkChan(nil, []int64{1}, []int64{1, 2}, []int64{1, 2, 3})),
	roleOf("Chan/Receive", openChan, send12, func(ctx context.Context, c *Chan[int64]) error { _, err := c.Receive(ctx); return err }, chanReceived),
	roleOf("Chan/TryReceive", openChan, send12, func(_ context.Context, c *Chan[int64]) error { _, _, err := c.TryReceive(); return err }, chanReceived),
	roleOf("Chan/ReceiveBatch", openChan, send12, func(ctx context.Context, c *Chan[int64]) error {
		_, err := c.ReceiveBatch(ctx, make([]int64, 1))
		return err
	}, chanReceived),
	roleOf("Chan/All", openChan, send12, func(ctx context.Context, c *Chan[int64]) error { return one(c.All(ctx)) }, chanReceived),
	roleOf("Chan/Handle", openChan, send12, func(ctx context.Context, c *Chan[int64]) error {
		return c.Handle(ctx, func(int64) error { return nil })
	}, chanReceived),
	roleOf("Chan/Handle: and leave it to others", openChan, send12, func(ctx context.Context, c *Chan[int64]) error {
		if err := c.Handle(ctx, func(int64) error { return errNotNow }); err != errNotNow {
			return err
		}
		return nil
	}, checkChan([]int64{2, 1}, []int64{1, 2})),
	roleOf("Chan/Receive: about to sleep", openChan, nil, func(_ context.Context, c *Chan[int64]) error {
		return canceled(func(ctx context.Context) error {
			return c.ring.Region.Wait(ctx, c.ring.Region.View.Load(), c.ring.News, func() bool { return false })
		})
	}, checkChan(nil)),
	roleOf("Chan/Close", openChan, send1, func(_ context.Context, c *Chan[int64]) error { return c.Close() },
		func(ctx context.Context, c *Chan[int64], k kill) error { return checkEnd(c.Receive, ctx, k) }),

	roleOf("Topic/Publish", openTopic, publish1, func(ctx context.Context, p *Topic[int64]) error { return p.Publish(ctx, 2) }, checkTopic),
	roleOf("Topic/PublishBatch", openTopic, publish1, func(ctx context.Context, p *Topic[int64]) error {
		_, err := p.PublishBatch(ctx, []int64{2, 3, 4})
		return err
	}, checkTopic),
	roleOf("Topic/Subscribe", openTopic, nil, func(_ context.Context, p *Topic[int64]) error {
		_, err := p.Subscribe(Gated)
		return err
	}, checkTopic),
	roleOf("Subscription/Close", openTopic, nil, func(_ context.Context, p *Topic[int64]) error {
		s, err := p.Subscribe(Gated)
		if err != nil {
			return err
		}
		return s.Close()
	}, checkTopic),
	roleOf("Subscription/Next", openTopic, nil, func(ctx context.Context, p *Topic[int64]) error {
		s, err := p.Subscribe(Gated)
		if err != nil {
			return err
		}
		if err := p.Publish(ctx, 1); err != nil {
			return err
		}
		_, _, err = s.Next(ctx)
		return err
	}, checkTopic),
	roleOf("Subscription/All", openTopic, nil, func(ctx context.Context, p *Topic[int64]) error {
		s, err := p.Subscribe(Gated)
		if err != nil {
			return err
		}
		if err := p.Publish(ctx, 1); err != nil {
			return err
		}
		return one(s.All(ctx))
	}, checkTopic),

	roleOf("Map/Store: of a new key", openMap, has2, func(ctx context.Context, m *numbers) error { return m.Store(ctx, 1, 10) }, checkMap(0, 10)),
	roleOf("Map/Store: of another value", openMap, has12, func(ctx context.Context, m *numbers) error { return m.Store(ctx, 1, 11) }, checkMap(10, 11)),
	roleOf("Map/LoadOrStore", openMap, has2, func(ctx context.Context, m *numbers) error {
		_, _, err := m.LoadOrStore(ctx, 1, 10)
		return err
	}, checkMap(0, 10)),
	roleOf("Map/Update", openMap, has12, func(ctx context.Context, m *numbers) error {
		return m.Update(ctx, 1, func(v *int64, _ bool) Action { *v = 11; return Store })
	}, checkMap(10, 11)),
	roleOf("Map/CompareAndSwap", openMap, has12, func(ctx context.Context, m *numbers) error {
		_, err := m.CompareAndSwap(ctx, 1, 10, 11)
		return err
	}, checkMap(10, 11)),
	roleOf("Map/Delete", openMap, has12, func(ctx context.Context, m *numbers) error { _, err := m.Delete(ctx, 1); return err }, checkMap(10, 0)),
	roleOf("Map/Update: and delete", openMap, has12, func(ctx context.Context, m *numbers) error {
		return m.Update(ctx, 1, func(*int64, bool) Action { return Delete })
	}, checkMap(10, 0)),
	roleOf("Map/LoadAndDelete", openMap, has12, func(ctx context.Context, m *numbers) error { _, _, err := m.LoadAndDelete(ctx, 1); return err }, checkMap(10, 0)),
	roleOf("Map/CompareAndDelete", openMap, has12, func(ctx context.Context, m *numbers) error {
		_, err := m.CompareAndDelete(ctx, 1, 10)
		return err
	}, checkMap(10, 0)),
	roleOf("Map/Clear", openMap, has12, func(ctx context.Context, m *numbers) error { return m.Clear(ctx) }, checkCleared),
	roleOf("Map/Watch", openMap, has12, func(ctx context.Context, m *numbers) error { return one(m.Watch(ctx, 1)) }, checkMap(10)),

	roleOf("Doc/Store", openDoc, list12, func(ctx context.Context, d *lists) error { return d.Store(ctx, []int{3, 4, 5}) }, checkDoc([]int{3, 4, 5})),
	roleOf("Doc/Update", openDoc, list12, func(ctx context.Context, d *lists) error {
		return d.Update(ctx, func(v *[]int) error { *v = []int{3, 4, 5}; return nil })
	}, checkDoc([]int{3, 4, 5})),
	roleOf("Doc/Watch", openDoc, list12, func(ctx context.Context, d *lists) error { return one(d.Watch(ctx)) }, checkDoc([]int{1, 2})),

	roleOf("Records/Send", openRecords, record1, func(ctx context.Context, q *Records) error { return q.Send(ctx, nine(2)) },
		checkRecords([]int64{1}, []int64{1, 2})),
	roleOf("Records/Fill", openRecords, record1, func(ctx context.Context, q *Records) error {
		return q.Fill(ctx, 20, func(b []byte) (int, error) { return copy(b, nine(2)), nil })
	}, checkRecords([]int64{1}, []int64{1, 2})),
	roleOf("Records/Fill: and send nothing", openRecords, record1, func(ctx context.Context, q *Records) error {
		if err := q.Fill(ctx, 20, func([]byte) (int, error) { return 0, errNotNow }); err != errNotNow {
			return err
		}
		return nil
	}, checkRecords([]int64{1})),
	roleOf("Records/Receive", openRecords, record12, func(ctx context.Context, q *Records) error { _, err := q.Receive(ctx, nil); return err },
		recordsReceived),
	roleOf("Records/All", openRecords, record12, func(ctx context.Context, q *Records) error { return one(q.All(ctx)) },
		recordsReceived),
	roleOf("Records/Handle: and leave it to others", openRecords, record12, func(ctx context.Context, q *Records) error {
		if err := q.Handle(ctx, func([]byte) error { return errNotNow }); err != errNotNow {
			return err
		}
		return nil
	}, checkRecords([]int64{2, 1}, []int64{1, 2})),
	roleOf("Records/Close", openRecords, record1, func(ctx context.Context, q *Records) error { return q.Close(ctx) },
		func(ctx context.Context, q *Records, k kill) error {
			return checkEnd(func(ctx context.Context) (int64, error) { return receiveNine(ctx, q) }, ctx, k)
		}),

	creator,
	joiner,
	roleOf("Region/declare", openNothing, nil, func(_ context.Context, r *Region) error { _, err := openChan(r); return err }, checkNewChan),
	roleOf("Region/Drop", openNothing, func(ctx context.Context, r *Region) error {
		m, err := openMap(r)
		return errors.Join(err, has12(ctx, m))
	}, func(ctx context.Context, r *Region) error { return r.Drop(ctx, "x") }, checkDropped),
	roleOf("Region/Close", openNothing, nil, func(_ context.Context, r *Region) error { return r.Close() }, checkAlone),
	reaper("Region/Reap: after a sender", func(r *Region, v *core.View) error {
		c, err := openChan(r)
		if err == nil {
			c.ring.ClaimSend(v, true)
		}
		return err
	}, checkNewChan),
	reaper("Region/Reap: after a writer to a map", func(r *Region, v *core.View) error {
		m, err := openMap(r)
		if err != nil {
			return err
		}
		if err := m.Store(context.Background(), 2, 20); err != nil {
			return err
		}
		dead((*core.Node)(v.At(m.table.Offset)))
		return nil
	}, func(ctx context.Context, r *Region, _ kill) error {
		m, err := openMap(r)
		if err != nil {
			return err
		}
		return checkMap(0)(ctx, m, kill{})
	}),
	reaper("Region/Reap: after readers and a subscriber", func(r *Region, v *core.View) error {
		m, err := openRWMutex(r)
		if err != nil {
			return err
		}
		p, err := TopicOf[int64](r, "topic", 4)
		if err != nil {
			return err
		}
		_, err = p.Subscribe(Gated)
		return errors.Join(err, m.RLock(context.Background()))
	}, func(ctx context.Context, r *Region, _ kill) error {
		m, err := openRWMutex(r)
		if err != nil {
			return err
		}
		p, err := TopicOf[int64](r, "topic", 4)
		return errors.Join(err, checkRWMutex(ctx, m, kill{}), checkTopic(ctx, p, kill{}))
	}),
}

// checkNewChan: a channel can be made, and has nothing in it.
func checkNewChan(ctx context.Context, r *Region, _ kill) error {
	c, err := openChan(r)
	if err != nil {
		return err
	}
	return checkChan(nil)(ctx, c, kill{})
}

// checkAlone: nobody else is left, once who died was looked after.
func checkAlone(_ context.Context, r *Region, _ kill) error {
	if _, err := r.Reap(); err != nil {
		return err
	}
	all, err := r.Participants()
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%d participants are left, want 1: %+v", len(all), all)
	}
	return err
}

// creator is the role of a process that makes a region, out of a segment that has only been
// created.
var creator = stepRole{
	name: "Region/Ensure: and make it",
	before: func(t *testing.T, key sysvipc.Key) (func(context.Context, kill) error, []byte, error) {
		seg, err := sysvipc.CreateSegment(key, 1<<15, 0o600)
		if err != nil {
			return nil, nil, err
		}
		mem, err := seg.Attach(nil)
		if err != nil {
			return nil, nil, err
		}
		t.Cleanup(func() { _ = mem.Close() })
		b, _ := mem.Hold()
		return func(ctx context.Context, k kill) error {
			r, err := smallRegion(key)
			if err != nil {
				return err
			}
			defer r.Close()
			return errors.Join(checkAlone(ctx, r, k), checkNewChan(ctx, r, k))
		}, b, nil
	},
	victim: newcomer,
}

// joiner is the role of a process that opens a region that is there.
var joiner = func() stepRole {
	role := roleOf("Region/Ensure", openNothing, nil, nil, checkAlone)
	role.victim = newcomer
	return role
}()

func newcomer(key sysvipc.Key) (call func() error, err error) {
	return func() error { _, err := smallRegion(key); return err }, core.StartRobustOwners()
}

// reaper is the role of a process that looks after a dead participant, which died as dies says.
// The victim is both: it marks the one dead as the kernel does.
func reaper(name string, dies func(r *Region, v *core.View) error, check func(ctx context.Context, r *Region, k kill) error) stepRole {
	role := roleOf(name, openNothing, nil, func(_ context.Context, r *Region) error { _, err := r.Reap(); return err }, check)
	open := role.victim
	role.victim = func(key sysvipc.Key) (func() error, error) {
		gone, err := smallRegion(key)
		if err != nil {
			return nil, err
		}
		v := core.Of(gone).View.Load()
		if err := dies(gone, v); err != nil {
			return nil, err
		}
		call, err := open(key)
		if err != nil {
			return nil, err
		}
		life := &v.Slot(core.Of(gone).Plan, core.Of(gone).Slot).Life
		core.Of(gone).Owner.Mu.Lock()
		core.Of(gone).Owner.Remove(life)
		core.Of(gone).Owner.Mu.Unlock()
		dead(life)
		return call, nil
	}
	return role
}
