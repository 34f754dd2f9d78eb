//go:build amd64 || arm64

package trace

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// operator makes the calls that it hears, and says their errors: "op SET 0-1 1+1:undo", "setval SET 0 5", "setall SET 1 2".
var operator = ipctest.Register("operator", func(c *ipctest.ChildEnv) {
	for {
		words := strings.Fields(c.Listen())
		set, err := strconv.Atoi(words[1])
		c.Check(err)
		var errno syscall.Errno
		switch numbers := words[2:]; words[0] {
		case "op":
			var ops []sembuf
			for _, w := range numbers {
				ops = append(ops, parseOp(w))
			}
			errno = semop(set, ops)
		case "setval":
			value, _ := strconv.Atoi(numbers[1])
			index, _ := strconv.Atoi(numbers[0])
			_, errno = call(unix.SYS_SEMCTL, uintptr(set), uintptr(index), semSetVal, uintptr(value)|0xabcd<<32)
		case "setall":
			var values []uint16
			for _, w := range numbers {
				n, _ := strconv.Atoi(w)
				values = append(values, uint16(n))
			}
			_, errno = call(unix.SYS_SEMCTL, uintptr(set), 0, semSetAll, uintptr(unsafe.Pointer(&values[0])))
		}
		c.Say("%v", errno == 0)
	}
})

// parseOp reads an operation as SemOp.String writes it.
func parseOp(text string) (op sembuf) {
	text, undo := strings.CutSuffix(text, ":undo")
	if undo {
		op.flg = flagUndo
	}
	at := strings.IndexAny(text, "+-=")
	index, _ := strconv.Atoi(text[:at])
	delta, _ := strconv.Atoi(strings.TrimPrefix(text[at:], "="))
	op.num, op.op = uint16(index), int16(delta)
	return op
}

// Who holds which semaphore is known from what processes took and gave, whatever ended them, and is certain if all was seen.
func TestHolders(t *testing.T) {
	t.Parallel()
	kernelPID(t)
	before := newSet(t, 2)
	semop(before, []sembuf{{op: 3}})
	tr := start0(t, &Options{Holders: true})
	for _, test := range []struct {
		name  string
		old   bool     // the set was there before the trace
		steps []string // a process, and what it does
		want  []string // process, semaphore, how many; and what else is true
	}{
		{"a lock", false, []string{"A op 0+1", "A op 0-1"}, []string{"A 0 1 certain"}},
		{"a lock that was given back", false, []string{"A op 0+1", "A op 0-1", "A op 0+1"}, nil},
		{"a lock made by its creator's operation", false, []string{"A op 0=0 1=0 0+1 1+1", "A op 0-1:undo", "B op 1-1"}, []string{"A 0 1 certain", "B 1 1 certain"}},
		{"both or neither", false, []string{"A setall 3 3", "B op 0-1 1-2"}, []string{"B 0 1 certain", "B 1 2 certain"}},
		{"several holders of one", false, []string{"A setval 0 5", "A op 0-2", "B op 0-1:undo", "C op 0-1", "B op 0+1:undo"}, []string{"A 0 2 certain", "C 0 1 certain"}},
		{"undone by the end", false, []string{"A setval 0 2", "A op 0-1:undo", "B op 0-1:undo", "A kill"}, []string{"B 0 1 certain"}},
		{"not undone by the end", false, []string{"A setval 0 2", "A op 0-1", "A op 0-1:undo", "A kill"}, []string{"A 0 1 certain ended"}},
		{"undone by an exit", false, []string{"A setval 0 2", "A op 0-1:undo", "A exit"}, nil},
		{"SETVAL gives all back", false, []string{"A setval 0 1", "A op 0-1:undo", "B setval 0 1", "C op 0-1"}, []string{"C 0 1 certain"}},
		{"SETALL, too", false, []string{"A setall 1 1", "A op 0-1", "A op 1-1", "B setall 1 0"}, nil},
		{"SETVAL of another semaphore does not", false, []string{"A setall 1 1", "A op 0-1", "B setval 1 7"}, []string{"A 0 1 certain"}},
		{"locked by adding", false, []string{"A op 0=0 0+1:undo", "A op 0-1:undo", "B op 0=0 0+1:undo"}, []string{"B 0 1 certain zero"}},
		{"locked by adding, undone", false, []string{"A op 0=0 0+1:undo", "A kill"}, nil},
		{"a script takes and gives", false, []string{"A op 0+1", "A exit", "B op 0-1", "B exit", "C op 0+1", "C exit", "A op 0-1", "A exit"}, []string{"A 0 1 certain ended"}},
		{"one of two ended processes has given back for another", false, []string{"A setval 0 2", "A op 0-1", "A exit", "B op 0-1", "B exit", "C op 0+1", "C exit"}, []string{"A 0 1 ended"}},
		{"a producer and a consumer", false, []string{"A op 0+1", "A op 0+1", "B op 0-1"}, nil},
		{"failed operations", false, []string{"A op 0+1", "A op 9-1"}, nil},
		{"a set that was there", true, []string{"A op 0+1", "B op 0-1"}, []string{"B 0 1"}},
		{"a set that was there gets its values", true, []string{"A op 0-1:undo", "B setall 4 4", "B op 0-2"}, []string{"B 0 2 certain"}},
	} {
		set := before
		if !test.old {
			set = newSet(t, 2)
		}
		names := map[int]string{}
		processes := map[string]*ipctest.Process{}
		for _, step := range test.steps {
			name, what, _ := strings.Cut(step, " ")
			p := processes[name]
			if p == nil {
				p = ipctest.Start(t, operator, nil)
				processes[name], names[p.PID] = p, name
			}
			switch verb, rest, _ := strings.Cut(what, " "); verb {
			case "kill":
				p.Kill()
				delete(processes, name)
			case "exit":
				p.Finish()
				delete(processes, name)
			default:
				p.Tell(fmt.Sprintf("%s %d %s", verb, set, rest))
				p.Expect(strconv.FormatBool(!strings.Contains(rest, "9")))
			}
		}
		var got []string
		for _, h := range holdersOf(t, tr, set) {
			text := fmt.Sprintf("%s %d %d", names[h.PID], h.Index, h.Taken)
			for _, flag := range []struct {
				is   bool
				name string
			}{{h.Certain, " certain"}, {h.Ended, " ended"}, {h.Zero, " zero"}} {
				if flag.is {
					text += flag.name
				}
			}
			if h.Last.Before(h.Began) || h.Comm == "" {
				t.Errorf("%s: %+v", test.name, h)
			}
			got = append(got, text)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		for _, p := range processes {
			p.Finish()
		}
	}
}

func holdersOf(t *testing.T, tr *Trace, set int) (of []Holder) {
	t.Helper()
	all, err := tr.Holders()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if h.ID == set {
			of = append(of, h)
		}
	}
	return of
}

// A value that the trace cannot explain makes nobody a certain holder: here one that an undo could not go below.
func TestHoldersUnexplained(t *testing.T) {
	t.Parallel()
	kernelPID(t)
	tr := start0(t, &Options{Holders: true})
	set := newSet(t, 1)
	p := ipctest.Start(t, operator, nil)
	for _, what := range []string{"op %d 0+2:undo", "op %d 0+1"} {
		p.Tell(fmt.Sprintf(what, set))
		p.Expect("true")
	}
	semop(set, []sembuf{{op: -2}})
	p.Kill() // gives back 2 of the 1 that is left
	got := holdersOf(t, tr, set)
	if len(got) != 1 || got[0].PID != os.Getpid() || got[0].Taken != 2 || got[0].Certain {
		t.Errorf("%+v, want this process with 2, and not certain", got)
	}
}

// A set that is removed is forgotten, and one that gets its ID is another one.
func TestHoldersRemoved(t *testing.T) {
	t.Parallel()
	kernelPID(t)
	tr := start0(t, &Options{Holders: true})
	set := newSet(t, 1)
	semop(set, []sembuf{{op: 2}})
	semop(set, []sembuf{{op: -1}})
	if got := holdersOf(t, tr, set); len(got) != 1 || !got[0].Certain {
		t.Fatalf("%+v", got)
	}
	if err := sysvipc.SemaphoresByID(set).Remove(); err != nil {
		t.Fatal(err)
	}
	a, err := tr.readAccount()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := a.semaphores[semaphoreName{id: uint32(set)}]; ok {
		t.Error("the semaphore's row counts after the removal")
	}
	if got := holdersOf(t, tr, set); got != nil {
		t.Errorf("%+v", got)
	}
	if _, err := tr.maps.semaphores.LookupBytes(semaphoreName{id: uint32(set)}.key()); err != nil {
		t.Fatal(err)
	} else if row, _ := tr.maps.semaphores.LookupBytes(semaphoreName{id: uint32(set)}.key()); row != nil {
		t.Error("the semaphore's row is still there")
	}
}

// mixer operates at random on a set, from eight threads, and says what it added in all.
var mixer = ipctest.Register("mixer", func(c *ipctest.ChildEnv) {
	set, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	var mu sync.Mutex
	var sum [2][4]int // with undo, by semaphore
	var threads sync.WaitGroup
	for range 8 {
		threads.Go(func() {
			for range 500 {
				ops := make([]sembuf, 1+rand.N(40))
				for i := range ops {
					ops[i] = sembuf{num: uint16(rand.N(4)), op: int16(rand.N(5) - 2), flg: nowait}
					if rand.N(2) == 0 {
						ops[i].flg |= flagUndo
					}
				}
				if semop(set, ops) != 0 {
					continue
				}
				mu.Lock()
				for _, op := range ops {
					sum[op.flg&flagUndo/flagUndo][op.num] += int(op.op)
				}
				mu.Unlock()
			}
		})
	}
	threads.Wait()
	c.Say("%v", sum)
	c.Listen()
})

// The sums of three processes with eight threads each, which operate at once, are what these say, to the last operation.
func TestAccountExact(t *testing.T) {
	t.Parallel()
	kernelPID(t)
	tr := start0(t, &Options{Holders: true})
	set := newSet(t, 4)
	if _, errno := call(unix.SYS_SEMCTL, uintptr(set), 0, semSetAll, uintptr(unsafe.Pointer(&[4]uint16{900, 900, 900, 900}))); errno != 0 {
		t.Fatal(errno)
	}
	var processes []*ipctest.Process
	want := map[int]string{}
	for range 3 {
		processes = append(processes, ipctest.Start(t, mixer, nil, strconv.Itoa(set)))
	}
	for _, p := range processes {
		want[p.PID] = p.Line()
	}
	a, err := tr.readAccount()
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]*[2][4]int64{}
	values, err := sysvipc.SemaphoresByID(set).Values()
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range values {
		row := a.semaphores[semaphoreName{uint32(set), uint32(i)}]
		if row.value() != int64(value) || row.base != 900 || row.partial {
			t.Errorf("semaphore %d has %d, and the account %d from %d", i, value, row.value(), row.base)
		}
		for _, n := range row.takers {
			if got[n.pid] == nil {
				got[n.pid] = &[2][4]int64{}
			}
			got[n.pid][0][i], got[n.pid][1][i] = n.plain+n.initial, n.undo
		}
	}
	for pid, sums := range want {
		if text := fmt.Sprint(*got[pid]); text != sums {
			t.Errorf("process %d: %s, and it says %s", pid, text, sums)
		}
	}
	if a.broken[uint32(set)] || a.lost {
		t.Error("something is missing")
	}
	for _, p := range processes {
		p.Finish()
	}
}
