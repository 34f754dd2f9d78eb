//go:build linux && (amd64 || arm64)

package bench

import (
	"fmt"
	"time"
)

// cell is one mechanism in one mode and placement.
type cell struct {
	mechanism string
	mode      *Mode
	placement string
	count     int       // operations of a turn
	samples   []float32 // nanoseconds of one operation each: some of every turn
	timed     int       // operations in all
	rounds    []float64 // the median of each turn
}

// kept is how many samples of a turn are kept, evenly.
const kept = 100

// turn measures the cell once, and returns how long each operation took, less the clock.
func (d *driver) turn(c *cell) ([]float64, error) {
	m := all[c.mechanism]
	times := d.times[:0]
	err := error(nil)
	if c.mode.Name == "start-up" {
		return d.startUp(c, m, times)
	}
	l, err := d.open(c)
	if err != nil {
		return nil, err
	}
	if err := d.move(d.places[c.placement].first); err != nil {
		return nil, err
	}
	if l.process {
		if err := l.talks[0].(*cat).move(d.places[c.placement].others); err != nil {
			return nil, err
		}
	}
	err = measured(m, func() error {
		switch c.mode.Name {
		case "round-trip", "spin":
			times, err = d.roundTrips(c, l, 0, times)
		case "paced":
			times, err = d.roundTrips(c, l, time.Millisecond, times)
		case "idle":
			times, err = d.roundTrips(c, l, 10*time.Millisecond, times)
		case "stream-64", "stream-64k", "one-to-many":
			times, err = d.stream(c, l, times)
		case "lock":
			times, err = d.locks(c, l, times)
		case "hand-over":
			times, err = d.handOvers(c, l, times)
		case "read":
			times, err = d.reads(c, l, times)
		default:
			err = fmt.Errorf("unknown mode %q", c.mode.Name)
		}
		return err
	})
	d.times = times
	return times, err
}

// ask orders the other processes of a link to take part, and waits until they are ready.
func (d *driver) ask(l *opened, do string, c *cell, count int) (*order, error) {
	o := &order{Do: do, ID: l.id, Mechanism: c.mechanism, Count: count, Bytes: c.mode.Bytes, Seq: d.seq, CPU: d.places[c.placement].others}
	d.seq += uint64(count)
	for _, p := range l.peers {
		if err := p.say(o); err != nil {
			return nil, err
		}
	}
	return o, l.answered()
}

// since adds what an operation took that began at begin, and returns the time now.
func (d *driver) since(times []float64, begin int64) ([]float64, int64) {
	now := ticks()
	return append(times, max(float64(now-begin)-d.clock, 0)), now
}

// roundTrips sends messages and waits for their answers; with a rest before each, if there is to be one. The first one
// is not counted: the other process may still be on its way to its first wait.
func (d *driver) roundTrips(c *cell, l *opened, silence time.Duration, times []float64) ([]float64, error) {
	e, buf := l.talks[0], make([]byte, c.mode.Bytes)
	o := &order{Seq: d.seq}
	if !l.process {
		var err error
		if o, err = d.ask(l, "echo", c, c.count+1); err != nil {
			return times, err
		}
	}
	begin := ticks()
	for i := range uint64(c.count + 1) {
		if silence > 0 {
			rest(silence)
			begin = ticks()
		}
		fill(buf, o.Seq+i)
		if err := e.send(buf); err != nil {
			return times, err
		}
		if _, err := e.receive(buf); err != nil {
			return times, err
		}
		want := ^(o.Seq + i)
		if l.process {
			want = o.Seq + i
		}
		if err := check(buf, want); err != nil {
			return times, err
		}
		if times, begin = d.since(times, begin); i == 0 {
			times = times[:0]
		}
	}
	if l.process {
		return times, nil
	}
	return times, l.answered()
}

// stream sends messages one after the other, and waits until the last one is read. It is one operation for each.
func (d *driver) stream(c *cell, l *opened, times []float64) ([]float64, error) {
	buf := make([]byte, c.mode.Bytes)
	const parts = 5
	for range parts {
		count := max(c.count/parts, 2)
		o, err := d.ask(l, "sink", c, count)
		if err != nil {
			return times, err
		}
		begin := ticks()
		for i := range uint64(count) {
			fill(buf, o.Seq+i)
			for _, e := range l.senders() {
				if err := e.send(buf); err != nil {
					return times, err
				}
			}
		}
		for _, e := range l.talks {
			if _, err := e.receive(buf[:small]); err != nil {
				return times, err
			}
		}
		times = append(times, float64(ticks()-begin)/float64(count))
		if err := l.answered(); err != nil {
			return times, err
		}
	}
	return times, nil
}

// locks locks and unlocks, and writes between.
func (d *driver) locks(c *cell, l *opened, times []float64) ([]float64, error) {
	lock, buf := l.lock, make([]byte, small)
	const batch = 10 // one by one, the clock would be a part of the time
	for i := 0; i < c.count; i += batch {
		begin := ticks()
		for j := range batch {
			if err := lock.lock(); err != nil {
				return times, err
			}
			fill(buf, uint64(i+j))
			if err := lock.unlock(); err != nil {
				return times, err
			}
		}
		times, _ = d.since(times, begin)
		times[len(times)-1] /= batch
	}
	return times, nil
}

// handOvers waits for a lock that the other process has, and gives it.
func (d *driver) handOvers(c *cell, l *opened, times []float64) ([]float64, error) {
	lock, m := l.lock, l.lock.(marked).marks
	d.seq++ // 0 is no turn
	o, err := d.ask(l, "hold", c, c.count)
	if err != nil {
		return times, err
	}
	for i := range uint64(c.count) {
		for m.held().Load() != o.Seq+i {
			rest(pause)
		}
		if err := lock.lock(); err != nil {
			return times, err
		}
		times = append(times, float64(int64(clock()-m.given().Load())))
		if err := lock.unlock(); err != nil {
			return times, err
		}
		m.done().Store(o.Seq + i)
	}
	return times, l.answered()
}

// reads reads what the other process has written.
func (d *driver) reads(c *cell, l *opened, times []float64) ([]float64, error) {
	o, err := d.ask(l, "store", c, 1)
	if err != nil {
		return times, err
	}
	if err := l.answered(); err != nil {
		return times, err
	}
	buf := make([]byte, small)
	const batch = 10
	for i := 0; i < c.count; i += batch {
		begin := ticks()
		for range batch {
			if err := l.state.load(buf); err != nil {
				return times, err
			}
			if err := check(buf, o.Seq); err != nil {
				return times, err
			}
		}
		times, _ = d.since(times, begin)
		times[len(times)-1] /= batch
	}
	return times, nil
}

// startUp makes, opens, uses once and removes the mechanism.
func (d *driver) startUp(c *cell, m *means, times []float64) ([]float64, error) {
	if err := d.move(d.places[c.placement].first); err != nil {
		return times, err
	}
	one := *c
	one.count = 0
	for range c.count {
		begin := ticks()
		l, err := d.openNew(&one, startUpID)
		if err != nil {
			return times, err
		}
		err = measured(m, func() error {
			_, err := d.roundTrips(&one, l, 0, nil)
			return err
		})
		if err != nil {
			return times, err
		}
		times = append(times, float64(ticks()-begin))
		if err := l.close(); err != nil {
			return times, err
		}
	}
	return times, nil
}
