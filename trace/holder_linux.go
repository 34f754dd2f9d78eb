//go:build amd64 || arm64

package trace

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
)

// noteSets gives a row to each set that was there when the trace began; those that have none afterwards are new.
func (t *Trace) noteSets() error {
	for st, err := range sysvipc.SemaphoreSets() {
		if err != nil {
			return err
		}
		row := make([]byte, setSize)
		binary.NativeEndian.PutUint64(row[setBegan:], uint64(t.clock))
		binary.NativeEndian.PutUint64(row[setFlags:], accountPartial)
		binary.NativeEndian.PutUint64(row[setLen:], uint64(st.Len))
		err := t.maps.sets.Update(uint32(st.ID), row, ebpf.UpdateNoExist)
		if errors.Is(err, unix.E2BIG) {
			return nil // no room: then no set is known to be new
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
			return fmt.Errorf("note the sets that are there: %w", err)
		}
	}
	return t.maps.known.Put(uint32(0), uint64(1))
}

// account is what the kernel has counted, as it was read.
type account struct {
	broken     map[uint32]bool // by set: an operation is missing
	semaphores map[semaphoreName]*semaphoreRow
	names      []semaphoreName // of all rows, also those that are outdated
	outdated   []*taker
	lost       bool
}

type semaphoreName struct{ id, index uint32 }

type semaphoreRow struct {
	epoch, ops    uint64
	base          int64
	partial, zero bool
	takers        []*taker
}

// taker is the row of a process that operated on a semaphore.
type taker struct {
	key                  []byte
	pid                  int
	last                 uint64
	plain, undo, initial int64
	comm                 string
	ended                bool
}

// Holders returns the processes that hold semaphores, as far as they were seen taking them, by set and semaphore. The
// trace was started with [Options.Holders]. A semaphore to which other processes give than take from it, as producers and
// consumers do, has no holders once all its operations are seen. What is kept of sets that were removed, and of processes
// that have ended and hold nothing, is forgotten: so call it now and then.
func (t *Trace) Holders() ([]Holder, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, fmt.Errorf("trace: holders: %w", os.ErrClosed)
	case t.maps.takers == nil:
		return nil, errors.New("trace: holders: the trace was started without Options.Holders")
	}
	const tries = 5 // for semaphores that are operated on meanwhile
	for i := 1; ; i++ {
		a, err := t.readAccount()
		if err != nil {
			return nil, fmt.Errorf("trace: read the account of semaphores: %w", err)
		}
		holders, settled := t.holders(a)
		if settled || i == tries {
			if err := t.forget(a); err != nil {
				return nil, fmt.Errorf("trace: forget what has ended: %w", err)
			}
			return holders, nil
		}
	}
}

// holders finds them, and whether those that could be certain are.
func (t *Trace) holders(a *account) (holders []Holder, settled bool) {
	settled = true
	values := map[uint32][]int{}
	for name, row := range a.semaphores {
		found, given := row.holders()
		whole := !a.lost && !a.broken[name.id] && !row.partial
		if len(found) == 0 || given && whole {
			continue
		}
		now, ok := values[name.id]
		if !ok {
			now, _ = sysvipc.SemaphoresByID(int(name.id)).Values() // none: it was removed, or may not be read
			values[name.id] = now
		}
		certain := whole && int(name.index) < len(now) && int64(now[name.index]) == row.value() && t.unchanged(name, row)
		settled = settled && (certain || !whole)
		for _, h := range found {
			h.ID, h.Index, h.Zero, h.Certain, h.Began = int(name.id), int(name.index), row.zero, h.Certain && certain, t.at(row.epoch)
			h.Last = t.at(h.last)
			holders = append(holders, h.Holder)
		}
	}
	slices.SortFunc(holders, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Index, b.Index), a.Last.Compare(b.Last), cmp.Compare(a.PID, b.PID))
	})
	return holders, settled
}

// at is the time of the kernel's monotonic clock.
func (t *Trace) at(clock uint64) time.Time { return t.start.Add(time.Duration(clock) - t.clock) }

// unchanged reports whether nobody has operated on the semaphore since its row was read.
func (t *Trace) unchanged(name semaphoreName, was *semaphoreRow) bool {
	value, err := t.maps.semaphores.LookupBytes(name.key())
	if err != nil || len(value) < semSize {
		return false
	}
	row := semaphoreRowOf(value)
	return row.epoch == was.epoch && row.ops == was.ops
}

func (n semaphoreName) key() []byte {
	key := binary.NativeEndian.AppendUint32(nil, n.id)
	return binary.NativeEndian.AppendUint32(key, n.index)
}

// value is what the semaphore must have, if nothing is missing.
func (r *semaphoreRow) value() int64 {
	sum := r.base
	for _, t := range r.takers {
		sum += t.net() + t.initial
	}
	return sum
}

// net is what the process added, but for a new semaphore's first value.
func (t *taker) net() int64 {
	if t.ended {
		return t.plain
	}
	return t.plain + t.undo
}

// holds is how much of the semaphore the process has; negative, if it gave more than it took.
func (r *semaphoreRow) holds(t *taker) int64 {
	if r.zero {
		return t.net() + t.initial
	}
	return -t.net()
}

// found is a holder before its times are known. Certain means that no other process can be it.
type found struct {
	Holder
	last uint64
}

// holders are those who hold the semaphore. It reports, too, whether a process that lives gave more than it took. What
// ended processes gave is first given for what ended processes took: a script takes and gives by a program each.
func (r *semaphoreRow) holders() (holders []found, given bool) {
	slices.SortFunc(r.takers, func(a, b *taker) int { return cmp.Compare(a.last, b.last) })
	ambiguous := false
	for _, t := range r.takers {
		n := r.holds(t)
		switch {
		case n > 0:
			holders = append(holders, found{Holder{Process: Process{PID: t.pid, Comm: t.comm}, Taken: int(n), Ended: t.ended, Certain: true}, t.last})
		case n < 0 && !t.ended:
			given = true
		case n < 0:
			for i := len(holders) - 1; i >= 0 && n < 0; i-- {
				h := &holders[i]
				if !h.Ended || h.Taken == 0 {
					continue
				}
				ambiguous = ambiguous || slices.ContainsFunc(holders[:i], func(o found) bool { return o.Ended && o.Taken > 0 })
				back := min(int64(h.Taken), -n)
				h.Taken, n = h.Taken-int(back), n+back
			}
		}
	}
	holders = slices.DeleteFunc(holders, func(h found) bool { return h.Taken == 0 })
	for i := range holders {
		holders[i].Certain = !holders[i].Ended || !ambiguous
	}
	return holders, given
}

// readAccount reads the rows, those of semaphores first: they tell whether anything has changed since.
func (t *Trace) readAccount() (*account, error) {
	a := &account{broken: map[uint32]bool{}, semaphores: map[semaphoreName]*semaphoreRow{}}
	for _, p := range t.programs { // a program that would run inside itself is left out by the kernel
		if info, err := p.Stats(); err == nil && info.RecursionMisses > 0 {
			a.lost = true
		}
	}
	began := map[uint32]uint64{}
	le := binary.NativeEndian
	err := each(t.maps.sets, func(key, value []byte) {
		id := le.Uint32(key)
		began[id], a.broken[id] = le.Uint64(value[setBegan:]), le.Uint64(value[setFlags:])&accountBroken != 0
	})
	if err != nil {
		return nil, err
	}
	err = each(t.maps.semaphores, func(key, value []byte) {
		name, row := semaphoreName{le.Uint32(key), le.Uint32(key[4:])}, semaphoreRowOf(value)
		a.names = append(a.names, name)
		if at, ok := began[name.id]; ok && row.epoch >= at {
			a.semaphores[name] = row
		}
	})
	if err != nil {
		return nil, err
	}
	ended := map[string]bool{} // by PID and start
	err = each(t.maps.takers, func(key, value []byte) {
		row := a.semaphores[semaphoreName{le.Uint32(key), le.Uint32(key[4:])}]
		word := func(at int) int64 { return int64(le.Uint64(value[at:])) }
		n := &taker{
			key: bytes.Clone(key), pid: int(le.Uint32(key[8:])), last: uint64(word(takerLast)), plain: word(takerPlain), undo: word(takerUndo),
			initial: word(takerInitial), comm: unix.ByteSliceToString(value[takerComm:]),
		}
		process := string(key[8:])
		if _, ok := ended[process]; !ok {
			ended[process] = hasEnded(n.pid, le.Uint64(key[16:]))
		}
		n.ended = ended[process]
		if row == nil || row.epoch != le.Uint64(value[takerEpoch:]) {
			a.outdated = append(a.outdated, n)
		} else {
			row.takers = append(row.takers, n)
		}
	})
	return a, err
}

func semaphoreRowOf(value []byte) *semaphoreRow {
	le := binary.NativeEndian
	flags := le.Uint64(value[semFlags:])
	return &semaphoreRow{
		epoch: le.Uint64(value[semEpoch:]), ops: le.Uint64(value[semOps:]), base: int64(le.Uint64(value[semBase:])),
		partial: flags&accountPartial != 0, zero: flags&accountZero != 0,
	}
}

// each reads all rows of a map.
func each(m *ebpf.Map, f func(key, value []byte)) error {
	var key, value []byte
	all := m.Iterate()
	for all.Next(&key, &value) {
		f(key, value)
	}
	return all.Err()
}

// hasEnded reports whether the process that started so long after the machine has ended: then the kernel has given back
// what it took with SEM_UNDO. A zombie whose threads have all ended is one.
func hasEnded(pid int, started uint64) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return true
	}
	// After the name, which may hold anything: the state is the 1st field, the number of threads the 18th, the start the 20th.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if err != nil || len(fields) < 20 {
		return false
	}
	const tick = uint64(time.Second / 100) // USER_HZ
	if string(fields[19]) != strconv.FormatUint(started/tick, 10) {
		return true // the PID was used again
	}
	return (fields[0][0] == 'Z' || fields[0][0] == 'X') && string(fields[17]) == "1"
}

// forget deletes the rows of sets that were removed, and of ended processes that hold nothing: no program adds to these any
// more.
func (t *Trace) forget(a *account) error {
	var errs []error
	remove := func(m *ebpf.Map, key any) {
		if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, err)
		}
	}
	there := map[uint32]bool{}
	for st, err := range sysvipc.SemaphoreSets() {
		if err != nil {
			return err
		}
		there[uint32(st.ID)] = true
	}
	for id := range a.broken {
		if !there[id] {
			remove(t.maps.sets, id)
		}
	}
	for _, name := range a.names {
		if !there[name.id] {
			remove(t.maps.semaphores, name.key())
		}
	}
	for _, n := range a.outdated {
		if n.ended || !there[n.set()] {
			remove(t.maps.takers, n.key)
		}
	}
	for name, row := range a.semaphores {
		if !there[name.id] {
			for _, n := range row.takers {
				remove(t.maps.takers, n.key)
			}
			continue
		}
		for _, n := range row.settled() {
			remove(t.maps.takers, n.key)
		}
	}
	return errors.Join(errs...)
}

func (t *taker) set() uint32 { return binary.NativeEndian.Uint32(t.key) }

// settled are the ended processes that hold nothing: also those of which one took what the next one gave back, as in a script.
func (r *semaphoreRow) settled() (done []*taker) {
	var open []*taker // in the order of their last operations
	for _, n := range r.takers {
		switch {
		case !n.ended || n.initial != 0:
		case n.plain == 0:
			done = append(done, n)
		case len(open) == 1 && open[0].plain == -n.plain && r.holds(n) < 0:
			done, open = append(done, open[0], n), nil
		default:
			open = append(open, n)
		}
	}
	return done
}
