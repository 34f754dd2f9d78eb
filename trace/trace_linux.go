//go:build amd64 || arm64

package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// Trace is what is attached to the kernel. Its methods are safe for concurrent use, but only one goroutine may be in
// [Trace.Next].
type Trace struct {
	maps     *kernelMaps
	programs []*ebpf.Program
	attached []attachment
	reader   *ringbuf.Reader
	start    time.Time
	clock    time.Duration // the kernel's monotonic clock at start

	mu     sync.Mutex
	closed bool
}

// kernelMaps are what the programs and this process share.
type kernelMaps struct {
	rows     *ebpf.Map // by key: counts
	threads  *ebpf.Map // by thread: the call that it is in
	empty    *ebpf.Map // a row to begin with
	table    *ebpf.Map // the calls by number
	lost     *ebpf.Map
	attaches *ebpf.Map // by process and address: the segment
	events   *ebpf.Map // nil without Options.Events
	cgroups  *ebpf.Map // nil without Options.Cgroups

	sets, semaphores, takers *ebpf.Map // the account of semaphores: nil without Options.Holders
	known                    *ebpf.Map // whether all sets that were there have rows
}

const (
	defaultRows  = 1 << 16
	attachesKept = 1 << 12
	eventsMemory = 16 << 20
)

// Start attaches to the kernel; a nil opts is that of all defaults. It takes some milliseconds. Where that cannot be, the
// error is [ErrUnsupported] and says what is missing: for missing rights it is fs.ErrPermission, too.
func Start(opts *Options) (*Trace, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if len(o.Objects) > maxObjects {
		return nil, fmt.Errorf("trace: %d objects to trace: at most %d", len(o.Objects), maxObjects)
	}
	if len(o.Cgroups) > maxCgroups {
		return nil, fmt.Errorf("trace: %d control groups to trace: at most %d", len(o.Cgroups), maxCgroups)
	}
	if o.Together && o.Events {
		return nil, errors.New("trace: Options.Together does not go with Options.Events")
	}
	if o.Holders && (o.PID != 0 || len(o.Cgroups) > 0 || o.Namespace != 0) {
		return nil, errors.New("trace: Options.Holders goes with all processes of the caller's IPC namespace: without PID, Cgroups and Namespace")
	}
	if (o.PID != 0 || o.Holders) && !firstPIDs() {
		return nil, &missingError{"processes have their numbers of the first PID namespace here, and this process is in another one", nil}
	}
	if o.Namespace == 0 {
		var err error
		if o.Namespace, err = ownNamespace(); err != nil {
			return nil, err
		}
	}
	t := &Trace{maps: &kernelMaps{}}
	if err := t.attach(&o); err != nil {
		t.Close()
		return nil, explain(err)
	}
	return t, nil
}

func ownNamespace() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/ipc", &st); err != nil {
		return 0, fmt.Errorf("trace: find this process's IPC namespace: %w", &os.PathError{Op: "stat", Path: "/proc/self/ns/ipc", Err: err})
	}
	return st.Ino, nil
}

// firstPIDs reports whether this process sees the numbers that the kernel itself uses.
func firstPIDs() bool {
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link == "pid:[4026531836]" // PROC_PID_INIT_INO of linux/proc_ns.h
}

func (t *Trace) attach(o *Options) error {
	if err := t.maps.create(o); err != nil {
		return err
	}
	cache := btf.NewCache()
	types, err := kernelTypes(cache)
	if err != nil {
		return err
	}
	l, err := readLayout(types)
	if err != nil {
		return err
	}
	if o.Events {
		if t.reader, err = ringbuf.NewReader(t.maps.events); err != nil {
			return fmt.Errorf("trace: read the ring buffer: %w", err)
		}
	}
	// A kernel before Linux 5.17 has no bpf_find_vma: shmdt(2) is then counted for no object.
	err = t.load(cache, l, o, true)
	if errors.Is(err, unix.EINVAL) && t.load(cache, l, o, false) == nil {
		err = nil
	}
	if errors.Is(err, unix.EINVAL) && o.Holders {
		return &missingError{"this kernel cannot add up what processes take: that needs Linux 5.17", err}
	}
	if err != nil {
		return err
	}
	for _, p := range t.programs {
		a, err := attachProgram(p)
		if err != nil {
			return err
		}
		t.attached = append(t.attached, a)
	}
	t.start, t.clock = time.Now(), monotonic()
	if o.Holders {
		return t.noteSets()
	}
	return nil
}

func (m *kernelMaps) create(o *Options) error {
	rows := o.Rows
	if rows <= 0 {
		rows = defaultRows
	}
	var err error
	for _, s := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&m.rows, ebpf.MapSpec{Name: "sysvipc_rows", Type: ebpf.Hash, KeySize: keySize, ValueSize: rowSize, MaxEntries: uint32(rows)}},
		{&m.threads, ebpf.MapSpec{
			Name: "sysvipc_threads", Type: ebpf.TaskStorage, KeySize: 4, ValueSize: threadSize, Flags: unix.BPF_F_NO_PREALLOC,
			Key: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Value: &btf.Array{Index: &btf.Int{Name: "unsigned int", Size: 4}, Type: number, Nelems: threadSize / 8},
		}},
		{&m.empty, ebpf.MapSpec{Name: "sysvipc_empty", Type: ebpf.Array, KeySize: 4, ValueSize: rowSize, MaxEntries: 1}},
		{&m.table, ebpf.MapSpec{Name: "sysvipc_table", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: tableSize}},
		{&m.attaches, ebpf.MapSpec{Name: "sysvipc_attach", Type: ebpf.LRUHash, KeySize: 16, ValueSize: 8, MaxEntries: attachesKept}},
		{&m.lost, ebpf.MapSpec{Name: "sysvipc_lost", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: lostKinds}},
		{&m.sets, ebpf.MapSpec{Name: "sysvipc_sets", Type: ebpf.Hash, KeySize: 4, ValueSize: setSize, MaxEntries: setRows}},
		{&m.semaphores, ebpf.MapSpec{Name: "sysvipc_sems", Type: ebpf.Hash, KeySize: semKeyLen, ValueSize: semSize, MaxEntries: semRows}},
		{&m.takers, ebpf.MapSpec{Name: "sysvipc_takers", Type: ebpf.Hash, KeySize: takerKeyLen, ValueSize: takerSize, MaxEntries: takerRows}},
		{&m.known, ebpf.MapSpec{Name: "sysvipc_known", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
		{&m.events, ebpf.MapSpec{Name: "sysvipc_events", Type: ebpf.RingBuf, MaxEntries: eventsMemory}},
	} {
		switch s.to {
		case &m.events:
			if !o.Events {
				continue
			}
		case &m.sets, &m.semaphores, &m.takers, &m.known:
			if !o.Holders {
				continue
			}
		}
		if *s.to, err = ebpf.NewMap(&s.spec); err != nil {
			return fmt.Errorf("make the map %s: %w", s.spec.Name, err)
		}
	}
	if len(o.Cgroups) > 0 {
		if err := m.chooseCgroups(o.Cgroups); err != nil {
			return err
		}
	}
	return fillTable(m.table)
}

// load hands the programs to the kernel's verifier. The one at sys_enter comes first: a call whose end alone is seen cannot
// be timed.
func (t *Trace) load(cache *btf.Cache, l *layout, o *Options, findSegment bool) error {
	enter := program{layout: l, maps: t.maps, opts: o}
	leave := program{layout: l, maps: t.maps, opts: o}
	at := []string{"sys_enter", "sys_exit"}
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{}}
	for i, ins := range []asm.Instructions{enter.enter(findSegment), leave.leave()} {
		spec.Programs[at[i]] = &ebpf.ProgramSpec{
			Name: "sysvipc_" + at[i][4:], Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: at[i], Instructions: ins, License: "Dual MIT/GPL",
		}
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return fmt.Errorf("load the programs: %w", err)
	}
	for _, name := range at {
		t.programs = append(t.programs, loaded.Programs[name])
	}
	return nil
}

// monotonic is the clock of the programs.
func monotonic() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it has no error but for other clocks
	return time.Duration(ts.Nano())
}

// Close detaches from the kernel. What was counted is gone then.
func (t *Trace) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	var errs []error
	for _, a := range t.attached {
		errs = append(errs, a.Close())
	}
	for _, p := range t.programs {
		errs = append(errs, p.Close())
	}
	if t.reader != nil {
		errs = append(errs, t.reader.Close())
	}
	for _, m := range []*ebpf.Map{t.maps.rows, t.maps.threads, t.maps.empty, t.maps.table, t.maps.attaches, t.maps.lost, t.maps.events, t.maps.cgroups, t.maps.sets, t.maps.semaphores, t.maps.takers, t.maps.known} {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// Read returns what was counted since [Start], in no order.
func (t *Trace) Read() (*Summary, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("trace: read: %w", os.ErrClosed)
	}
	sum := &Summary{Elapsed: time.Since(t.start)}
	calls := map[string]*Call{} // by key, but for the processor
	var key, value []byte
	all := t.maps.rows.Iterate()
	for all.Next(&key, &value) {
		same := string(key[:keyProcessor]) + string(key[keyComm:])
		c := calls[same]
		if c == nil {
			c = callOf(key)
			calls[same] = c
		}
		c.add(value)
	}
	if err := all.Err(); err != nil {
		return nil, fmt.Errorf("trace: read what was counted: %w", err)
	}
	for _, c := range calls {
		sum.Calls = append(sum.Calls, *c)
	}
	for kind, to := range []*uint64{lostCalls: &sum.Lost, lostEvents: &sum.LostEvents} {
		var values []uint64
		if err := t.maps.lost.Lookup(uint32(kind), &values); err != nil {
			return nil, fmt.Errorf("trace: read what was lost: %w", err)
		}
		for _, n := range values {
			*to += n
		}
	}
	// A program that would run inside itself is left out by the kernel.
	for _, p := range t.programs {
		if info, err := p.Stats(); err == nil {
			sum.Lost += info.RecursionMisses
		}
	}
	return sum, nil
}

// callOf reads a row's key.
func callOf(key []byte) *Call {
	le := binary.NativeEndian
	op := Op(le.Uint16(key[keyOp:]))
	return &Call{
		Object:  Object{Namespace: uint64(le.Uint32(key[keyNamespace:])), Kind: op.Kind(), ID: int(int32(le.Uint32(key[keyID:])))},
		Process: Process{PID: int(le.Uint32(key[keyPID:])), Comm: unix.ByteSliceToString(key[keyComm : keyComm+16])},
		Op:      op,
		Command: int(le.Uint16(key[keyCommand:])),
		Errno:   syscall.Errno(le.Uint32(key[keyErrno:])),
	}
}

// add adds what one processor has counted.
func (c *Call) add(value []byte) {
	word := func(at int) uint64 { return binary.NativeEndian.Uint64(value[at:]) }
	c.Count += word(rowCount)
	c.Untimed += word(rowUntimed)
	c.Total += time.Duration(word(rowTotal))
	c.Max = max(c.Max, time.Duration(word(rowMax)))
	for i := range c.Latency {
		c.Latency[i] += word(rowLatency + 8*i)
	}
}

// ErrnoName is the name of an error, as in errno(3).
func ErrnoName(e syscall.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}
