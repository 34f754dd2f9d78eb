//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/output"
)

// directory is where the run has files for a moment; second is the PID of the second process, which may read the
// memory of the first.
var (
	directory string
	second    int
)

// plan is what [Run] wants of the first process.
type plan struct {
	Only      []string
	Modes     []string      // which, in the words of [Modes]
	Places    []string      // of round trips, streams and locks; other modes have one
	Rounds    int           // at most
	Time      time.Duration // for all rounds
	Turn      time.Duration // of a cell
	Key       int32         // the first that nothing else has
	Directory string
	Own       bool // it has an IPC namespace of its own

	inPlace bool // it has none, even where that is allowed
}

// report is a line of what the first process writes.
type report struct {
	Part   float64 // of the run that is done
	Result *Result
	Error  string
}

// keys are how many a run may use, and a link has four of them.
const (
	keys      = 1024
	startUpID = keys/4 - 1
)

// driver is the first process: it measures.
type driver struct {
	placed
	plan   plan
	peers  []control
	links  map[string]*opened
	places map[string]place
	cpus   []int
	clock  float64
	seq    uint64
	times  []float64
	turns  int
	began  atomic.Int64 // of the turn that is measured, in ticks
	doing  atomic.Pointer[string]
	over   atomic.Bool // the other processes may end
	making sync.Mutex  // while objects are made
	others others
	out    *json.Encoder
}

// serveDriver carries out the plan that it reads from standard input, which ends when the program that wants the
// results has ended.
func serveDriver() error {
	runtime.LockOSThread() // a signal is for a thread; and children die with the thread that made them
	in := json.NewDecoder(os.Stdin)
	d := &driver{links: map[string]*opened{}, seq: 1, out: json.NewEncoder(os.Stdout), times: make([]float64, 0, 1<<14)}
	if err := in.Decode(&d.plan); err != nil {
		return err
	}
	directory = d.plan.Directory
	go func() {
		io.Copy(io.Discard, os.Stdin)
		d.end(1)
	}()
	go d.watch()
	calm()
	result, err := d.run()
	if err != nil {
		d.fail("%v", err)
		select {} // the run ends, and this process with it
	}
	for _, l := range d.links {
		l.close()
	}
	d.over.Store(true)
	if err := d.out.Encode(report{Part: 1, Result: result}); err != nil {
		return err
	}
	d.end(0) // what several ends share is removed by none of them
	return nil
}

// fail reports why the run cannot go on, and ends it.
func (d *driver) fail(format string, args ...any) {
	if !d.over.Load() {
		json.NewEncoder(os.Stdout).Encode(report{Error: fmt.Sprintf(format, args...)})
		d.end(1)
	}
}

// others are the processes of the other ends.
type others struct {
	mu    sync.Mutex // never unlocked again when the run ends
	all   []*exec.Cmd
	ended sync.WaitGroup
}

// end removes what would stay, and ends this process. Nothing is made any more when it looks: the others have ended, which a
// link that is being opened sees.
func (d *driver) end(code int) {
	d.over.Store(true)
	d.others.mu.Lock()
	for _, cmd := range d.others.all {
		cmd.Process.Kill()
	}
	d.others.ended.Wait()
	d.making.Lock()
	if !d.plan.Own {
		sweep(d.plan.Key)
	}
	os.RemoveAll(d.plan.Directory)
	os.Exit(code)
}

// watch ends a turn that hangs, as when another process was killed.
func (d *driver) watch() {
	const most = 20 * time.Second
	for {
		time.Sleep(time.Second)
		if begin := d.began.Load(); begin != 0 && ticks()-begin > int64(most) {
			d.fail("%s: no answer of the other process within %v", *d.doing.Load(), most)
		}
	}
}

// startPeer starts another process, and gives it a number of the links' sockets.
func (d *driver) startPeer() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	file := os.NewFile(uintptr(pair[1]), "control")
	defer file.Close()
	cmd := again("peer")
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d.others.mu.Lock()
	defer d.others.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	d.others.all = append(d.others.all, cmd)
	d.others.ended.Add(1)
	if len(d.peers) == 0 {
		second = cmd.Process.Pid
	}
	d.peers = append(d.peers, control{pair[0]})
	go func() {
		err := cmd.Wait()
		d.others.ended.Done()
		d.fail("the other process ended: %v", err)
	}()
	return nil
}

// again is this program, as an end of a run.
func again(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "bench", "end", role)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = os.Stderr
	// Signals that make goroutines give way would interrupt bare calls; and some goroutines must run beside one that
	// waits in a bare call.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", fmt.Sprint("GOMAXPROCS=", max(4, runtime.NumCPU())))
	return cmd
}

// opened is a link with its ends in this process.
type opened struct {
	id        int
	mechanism string
	peers     []control
	talks     []end
	lock      locker
	state     state
	process   bool
	many      bool
}

// senders are the ends that a message is sent on, so that all get it.
func (l *opened) senders() []end {
	if l.many {
		return l.talks[:1]
	}
	return l.talks
}

// answered waits for an answer of each other process.
func (l *opened) answered() error {
	for _, p := range l.peers {
		if _, err := p.answered(); err != nil {
			return err
		}
	}
	return nil
}

func (l *opened) close() error {
	for _, p := range l.peers {
		if err := p.say(order{Do: "close", ID: l.id, Mechanism: l.mechanism}); err != nil {
			return err
		}
	}
	if err := l.answered(); err != nil {
		return err
	}
	return measured(all[l.mechanism], func() error {
		for _, e := range l.talks {
			e.close()
		}
		if l.lock != nil {
			l.lock.close()
		}
		if l.state != nil {
			l.state.close()
		}
		return nil
	})
}

// use is what a mode needs of a mechanism, and how many other processes.
func (c *cell) use() (use string, peers int) {
	switch c.mode.Name {
	case "lock", "hand-over":
		return "lock", 1
	case "read":
		return "read", 1
	case "one-to-many":
		return "talk", receivers
	}
	return "talk", 1
}

// receivers are the processes of one-to-many.
const receivers = 3

// open returns the link of a cell, which is made once.
func (d *driver) open(c *cell) (*opened, error) {
	use, peers := c.use()
	name := fmt.Sprint(c.mechanism, use, peers, c.mode.Name == "spin")
	if l := d.links[name]; l != nil {
		return l, nil
	}
	l, err := d.openNew(c, len(d.links)*receivers)
	if err != nil {
		return nil, err
	}
	d.links[name] = l
	return l, nil
}

// openNew opens a link with a number of its own, and the numbers behind that if it has several processes.
func (d *driver) openNew(c *cell, id int) (*opened, error) {
	d.making.Lock()
	defer d.making.Unlock()
	m := all[c.mechanism]
	use, peers := c.use()
	if m.process {
		e, err := m.talk.offer(nil)
		if err != nil {
			return nil, notOpened{err}
		}
		return &opened{mechanism: c.mechanism, talks: []end{e}, process: true}, nil
	}
	for len(d.peers) < peers {
		if err := d.startPeer(); err != nil {
			return nil, err
		}
	}
	l := &opened{id: id, mechanism: c.mechanism, peers: d.peers[:peers], many: m.many}
	for i, p := range l.peers {
		k := &link{Spin: c.mode.Name == "spin" || m.polls != "", Key: d.plan.Key + int32(4*(id+i))}
		var made any
		err := measured(m, func() (err error) {
			made, err = l.offer(m, use, k, d.plan.Key+int32(4*id))
			return err
		})
		if err != nil {
			return nil, notOpened{err}
		}
		if err := p.say(order{Do: "open", ID: id, Mechanism: c.mechanism, Use: use, Link: *k}, k.fds...); err != nil {
			return nil, err
		}
		for _, fd := range k.fds {
			unix.Close(fd)
		}
		a, err := p.answered()
		if err != nil {
			return nil, notOpened{err}
		}
		k.Reply = a.Reply
		if e, ok := made.(completer); ok {
			if err := e.complete(k); err != nil {
				return nil, notOpened{err}
			}
		}
	}
	return l, nil
}

// offer makes an end for another process: of a link of its own, or, if all receivers join one, of the first one's.
func (l *opened) offer(m *means, use string, k *link, first int32) (made any, err error) {
	switch use {
	case "lock":
		l.lock, err = offerMarked(m, k)
		return l.lock, err
	case "read":
		l.state, err = m.state.offer(k)
		return l.state, err
	}
	if m.many && len(l.talks) > 0 { // it joins the link of the first
		k.Key = first
		return nil, nil
	}
	e, err := m.talk.offer(k)
	if err == nil {
		l.talks = append(l.talks, e)
	}
	return e, err
}

// run measures all cells, round by round.
func (d *driver) run() (*Result, error) {
	cpus, err := allowed()
	if err != nil {
		return nil, err
	}
	d.cpus, d.places, d.clock = cpus, placesOf(cpus), clockCost()
	machine := lookAt(cpus)
	machine.Clock, machine.Namespace = tenth(d.clock), d.plan.Own
	result := &Result{Bench: machine}
	cells := d.cells(result)
	if err := d.startPeer(); err != nil {
		return nil, err
	}
	begin := time.Now()
	for round := 0; round <= d.plan.Rounds; round++ { // the first one only warms up, and finds how many operations a turn has
		if used := time.Since(begin); round > leastRounds && used*time.Duration(round+1)/time.Duration(round) > d.plan.Time {
			break
		}
		rand.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		for i, c := range cells {
			if c == nil {
				continue
			}
			switch err := d.measure(c, round); {
			case errors.As(err, &notOpened{}):
				result.skip(c.mechanism, c.mode.Name, c.placement, reason(err))
				cells[i] = nil
			case err != nil: // the other process is in the middle of it
				return nil, fmt.Errorf("%s, %s: %w", c.mechanism, c.mode.Name, err)
			}
		}
		part := max(float64(round)/float64(d.plan.Rounds), float64(time.Since(begin))/float64(d.plan.Time))
		if err := d.out.Encode(report{Part: min(part, 0.99)}); err != nil {
			return nil, err
		}
	}
	for _, c := range cells {
		if c != nil {
			result.Measurements = append(result.Measurements, c.measurement())
		}
	}
	result.sort()
	result.Bench.Seconds = tenth(time.Since(begin).Seconds())
	result.Bench.LoadAfter = load()
	return result, nil
}

// leastRounds are made however long they take: quartiles need some.
const leastRounds = 5

// notOpened is the error of a mechanism that could not be opened: the others can be measured.
type notOpened struct{ error }

func (e notOpened) Unwrap() error { return e.error }

// measure measures a cell in a round.
func (d *driver) measure(c *cell, round int) error {
	if d.turns++; d.turns%64 == 0 {
		runtime.GC()
	}
	what := c.mechanism + ", " + c.mode.Name
	d.doing.Store(&what)
	d.began.Store(ticks())
	defer d.began.Store(0)
	begin := time.Now()
	times, err := d.turn(c)
	if err != nil {
		return err
	}
	if round == 0 {
		c.calibrate(time.Since(begin), len(times), d.plan.Turn)
		return nil
	}
	c.timed += len(times)
	c.rounds = append(c.rounds, median(times))
	for i := range min(kept, len(times)) {
		c.samples = append(c.samples, float32(times[i*len(times)/min(kept, len(times))]))
	}
	return nil
}

// calibrate sets how many operations fit into a turn.
func (c *cell) calibrate(took time.Duration, ops int, turn time.Duration) {
	switch c.mode.Name {
	case "paced":
		c.count = 10
	case "idle":
		c.count = 2
	case "start-up":
		c.count = 2
	case "stream-64", "stream-64k", "one-to-many":
		c.count = min(max(c.count*int(turn)/int(took), 10), 20_000)
	default:
		c.count = min(max(ops*int(turn)/int(took), 10), 10_000)
	}
}

// first is how many operations the first turn has.
func (m *Mode) first() int {
	switch m.Name {
	case "paced", "idle", "start-up":
		return 1
	case "stream-64", "one-to-many":
		return 500
	}
	return 30
}

// measurement is what was measured of a cell.
func (c *cell) measurement() output.Measurement {
	all := make([]float64, len(c.samples))
	for i, s := range c.samples {
		all[i] = float64(s)
	}
	slices.Sort(all)
	m := output.Measurement{
		Mechanism: c.mechanism, Mode: c.mode.Name, Placement: c.placement, Bytes: c.mode.Bytes, Count: c.timed,
		Median: tenth(sorted(all, 0.5)), Q1: tenth(sorted(all, 0.25)), Q3: tenth(sorted(all, 0.75)), P99: tenth(sorted(all, 0.99)),
	}
	for _, r := range c.rounds {
		m.Rounds = append(m.Rounds, tenth(r))
	}
	if strings.HasPrefix(c.mode.Name, "stream") && m.Median > 0 {
		rate := float64(int64(float64(c.mode.Bytes) / m.Median * 1e9))
		m.Rate = &rate
	}
	return m
}

// reason is why something is skipped, in words that say what is missing.
func reason(err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return err.Error() + ": the kernel was built without it, or a seccomp filter hides it"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return err.Error() + ": a seccomp filter or a security module forbids it"
	}
	return err.Error()
}

// cells are what the plan has to measure. What a mechanism cannot do is noted.
func (d *driver) cells(result *Result) []*cell {
	var cells []*cell
	for _, k := range Mechanisms {
		if len(d.plan.Only) > 0 && !slices.Contains(d.plan.Only, k.Name) {
			continue
		}
		m := all[k.Name]
		if m == nil {
			continue
		}
		for i := range Modes {
			mode := &Modes[i]
			if !slices.Contains(d.plan.Modes, mode.Name) {
				continue
			}
			why, never := m.cannot(mode)
			if never {
				continue
			}
			if why != "" {
				result.skip(k.Name, mode.Name, "", why)
				continue
			}
			for _, where := range d.placements(mode) {
				if _, ok := d.places[where]; !ok {
					result.skip(k.Name, mode.Name, where, "one processor only")
					continue
				}
				if where == "same" && m.polls != "" {
					result.skip(k.Name, mode.Name, where, "it polls, which keeps the other process from running")
					continue
				}
				if len(d.cpus) == 1 && (mode.Name == "spin" || m.polls != "") {
					result.skip(k.Name, mode.Name, where, "one processor only: a process that polls keeps the other from running")
					continue
				}
				cells = append(cells, &cell{mechanism: k.Name, mode: mode, placement: where, count: mode.first()})
			}
		}
	}
	return cells
}

// cannot says why a mechanism is not measured in a mode, if there is a reason that is worth a word.
func (m *means) cannot(mode *Mode) (why string, never bool) {
	switch mode.Name {
	case "lock", "hand-over":
		return "", m.lock.offer == nil
	case "read":
		return "", m.state.offer == nil
	}
	if m.talk.offer == nil {
		return "", true
	}
	switch mode.Name {
	case "spin":
		return m.waits, false
	case "stream-64", "stream-64k", "one-to-many":
		switch {
		case m.wakes:
			return "", true
		case m.loses != "":
			return m.loses, false
		case m.most > 0 && mode.Bytes > m.most:
			return fmt.Sprintf("a message has at most %d bytes", m.most), false
		}
	case "round-trip", "paced", "idle":
		return m.polls, false
	}
	return "", false
}

// placements are those that a mode is measured in. Who polls on one processor waits for the end of the other's time
// slice, and a lock without another user has no second place.
func (d *driver) placements(mode *Mode) []string {
	switch mode.Name {
	case "paced", "idle", "one-to-many", "start-up", "lock", "read":
		return []string{"free"}
	case "spin":
		return slices.DeleteFunc(slices.Clone(d.plan.Places), func(p string) bool { return p == "same" })
	}
	return d.plan.Places
}
