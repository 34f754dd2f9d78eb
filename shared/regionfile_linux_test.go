package shared

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func ensureFile(t testing.TB, path string) *Region {
	t.Helper()
	r, err := EnsureFile(context.Background(), path, smallFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

var smallFile = &Options{Size: 1 << 20, Participants: 8, Entries: 64}

func TestFileKeepsWhatIsInIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	if _, err := OpenFile(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	r, err := CreateFile(t.Context(), path, smallFile)
	mustNot(t, err)
	if _, err := CreateFile(t.Context(), path, smallFile); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	x, err := VarOf[int64](r, "x")
	mustNot(t, err, x.Store(t.Context(), 7), r.Sync(), r.Close())
	if err := r.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	st, err := os.Stat(path)
	mustNot(t, err)
	if st.Mode().Perm() != 0o600 || st.Size() != 1<<20 || st.Sys().(*syscall.Stat_t).Blocks*512 < 1<<20 {
		t.Errorf("mode %v, %d bytes", st.Mode(), st.Size())
	}
	mustNot(t, os.Rename(path, path+"2")) // it does not matter where it is
	r, err = OpenFile(t.Context(), path+"2")
	mustNot(t, err)
	x, err = VarOf[int64](r, "x")
	mustNot(t, err)
	if n, err := x.Load(); n != 7 || err != nil {
		t.Errorf("%d (%v)", n, err)
	}
	if r.Segment() != nil {
		t.Error("a segment")
	}
	mustNot(t, r.Remove(), r.Close())
	if _, err := os.Stat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

var fileVictim = ipctest.Register("file victim", func(c *ipctest.ChildEnv) {
	r, err := EnsureFile(context.Background(), c.Args[0], smallFile)
	c.Check(err)
	ctx := context.Background()
	m, err := MutexOf(r, "m")
	c.Check(err)
	rw, err := RWMutexOf(r, "rw")
	c.Check(err)
	x, err := VarOf[[2]int64](r, "x")
	c.Check(err)
	mp, err := MapOf[int32, int32](r, "map", 10)
	c.Check(err)
	ch, err := ChanOf[int64](r, "c", 4)
	c.Check(err)
	tp, err := TopicOf[int64](r, "t", 4)
	c.Check(err)
	d, err := DocOf[string](r, "d", 100)
	c.Check(err)
	q, err := RecordsOf(r, "q", 256)
	c.Check(err)
	// Values that are whole, and then everything in the midst of something.
	c.Check(x.Store(ctx, [2]int64{1, 2}))
	c.Check(mp.Store(ctx, 1, 2))
	c.Check(ch.Send(ctx, 1))
	c.Check(tp.Publish(ctx, 1))
	c.Check(d.Store(ctx, "text"))
	c.Check(q.Send(ctx, []byte("1")))
	c.Check(m.Lock(ctx))
	c.Check(rw.RLock(ctx))
	_, err = tp.Subscribe(Gated)
	c.Check(err)
	amidst := make(chan struct{})
	stay := func() error { amidst <- struct{}{}; select {} }
	go func() { _ = ch.Handle(ctx, func(int64) error { return stay() }) }()
	<-amidst
	go func() { _ = q.Fill(ctx, 1, func([]byte) (int, error) { return 0, stay() }) }()
	<-amidst
	go func() { _ = q.Handle(ctx, func([]byte) error { return stay() }) }()
	<-amidst
	v := core.Of(r).View.Load()
	core.Of(r).EachLock(v, func(n *core.Node) {
		if n != &v.Header().Init {
			core.Pick().TryLock(n, 0, core.Door{})
		}
	})
	c.Say("there")
	c.Listen()
})

// After a kill, and after a reboot, of which the kernel has told nobody, all is repaired.
func TestFileOutlivesItsProcesses(t *testing.T) {
	t.Parallel()
	for _, reboot := range []bool{false, true} {
		t.Run(strconv.FormatBool(reboot), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			path := filepath.Join(t.TempDir(), "region")
			p := ipctest.Start(t, fileVictim, nil, path)
			p.Expect("there")
			var before []byte
			if reboot { // what is on the disk when the power fails
				var err error
				before, err = os.ReadFile(path)
				mustNot(t, err)
			}
			if reboot { // a copy is on its own
				mustNot(t, os.WriteFile(path+"2", before, 0o600))
				r := ensureFile(t, path+"2")
				m, err := MutexOf(r, "m")
				mustNot(t, err)
				if err := m.Lock(ctx); !errors.Is(err, ErrOwnerDied) {
					t.Errorf("got %v", err)
				}
				mustNot(t, m.MarkConsistent())
				mustNot(t, m.Unlock(), r.Close())
			}
			p.Kill()
			if reboot {
				copy(before[unsafe.Offsetof(core.Header{}.Boot):], "another boot ID.")
				mustNot(t, os.WriteFile(path, before, 0))
			}
			r := ensureFile(t, path)
			m, err := MutexOf(r, "m")
			mustNot(t, err)
			if err := m.Lock(ctx); !errors.Is(err, ErrOwnerDied) {
				t.Errorf("got %v", err)
			}
			mustNot(t, m.MarkConsistent())
			rw, err := RWMutexOf(r, "rw")
			mustNot(t, m.Unlock(), err, rw.Lock(ctx), rw.Unlock())
			x, err := VarOf[[2]int64](r, "x")
			mustNot(t, err, x.Update(ctx, func(v *[2]int64) { mustBe(t, *v == [2]int64{1, 2}, "got %v", *v) }))
			mp, err := MapOf[int32, int32](r, "map", 10)
			mustNot(t, err, mp.Store(ctx, 2, 3))
			if n, ok, err := mp.Load(1); n != 2 || !ok || err != nil {
				t.Errorf("%d, %v (%v)", n, ok, err)
			}
			ch, err := ChanOf[int64](r, "c", 4)
			mustNot(t, err, ch.Send(ctx, 2))
			for want := int64(1); want <= 2; want++ {
				if got, err := ch.Receive(ctx); got != want || err != nil {
					t.Errorf("got %d, want %d (%v)", got, want, err)
				}
			}
			tp, err := TopicOf[int64](r, "t", 4)
			mustNot(t, err)
			for range 10 {
				mustNot(t, tp.Publish(ctx, 2))
			}
			d, err := DocOf[string](r, "d", 100)
			mustNot(t, err, d.Update(ctx, func(s *string) error { *s += "!"; return nil }))
			wantDoc(t, d, "text!")
			q, err := RecordsOf(r, "q", 256)
			mustNot(t, err, q.Send(ctx, []byte("2")))
			for _, want := range []string{"1", "2"} {
				if b, err := q.Receive(ctx, nil); string(b) != want || err != nil {
					t.Errorf("got %q, want %q (%v)", b, want, err)
				}
			}
		})
	}
}

// A file that is none, is not finished, or was cut short is an error, and stays as it is.
func TestFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	mustNot(t, ensureFile(t, good).Close())
	region, err := os.ReadFile(good)
	mustNot(t, err)
	started := append([]byte(nil), region[:core.HeaderLen]...)
	started[12] = core.StateStarted
	broken := append([]byte(nil), region...)
	broken[unsafe.Offsetof(core.Header{}.Config)] ^= 1
	for name, b := range map[string][]byte{
		"text": []byte("some text"), "zeros": make([]byte, 8192), "short": region[:100],
		"cut": region[:len(region)-1], "cut more": region[:core.HeaderLen], "broken": broken,
	} {
		path := filepath.Join(dir, name)
		mustNot(t, os.WriteFile(path, b, 0o600))
		if r, err := EnsureFile(t.Context(), path, smallFile); err == nil {
			t.Errorf("%s was opened", name)
			r.Close()
		} else {
			t.Log(err)
		}
		now, err := os.ReadFile(path)
		if string(now) != string(b) {
			t.Errorf("%s was changed (%v)", name, err)
		}
	}
	// These are what a creator has left that was killed.
	for name, b := range map[string][]byte{"empty": nil, "started": started, "started with size": append(started, make([]byte, 1<<20-core.HeaderLen)...)} {
		path := filepath.Join(dir, name)
		mustNot(t, os.WriteFile(path, b, 0o600))
		if _, err := OpenFile(t.Context(), path); err == nil {
			t.Errorf("%s was opened", name)
		}
		r, err := EnsureFile(t.Context(), path, smallFile)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		x, err := VarOf[int64](r, "x")
		mustNot(t, err, x.Store(t.Context(), 1), r.Close())
	}
	if _, err := EnsureFile(t.Context(), dir, smallFile); err == nil {
		t.Error("a directory")
	}
	fifo := filepath.Join(dir, "fifo")
	mustNot(t, unix.Mkfifo(fifo, 0o600))
	if _, err := EnsureFile(t.Context(), fifo, smallFile); err == nil {
		t.Error("a FIFO")
	}
	if _, err := EnsureFile(t.Context(), filepath.Join(dir, "no", "such"), smallFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	// Another file took the place: it is not removed.
	r := ensureFile(t, good)
	mustNot(t, os.Rename(good, good+"2"), os.WriteFile(good, nil, 0o600))
	if err := r.Remove(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Where no region can be made, no file stays, and none of another program changes.
func TestFileThatCannotBeMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	large := &Options{Size: 1 << 62}
	for name, open := range map[string]func() (*Region, error){
		"create": func() (*Region, error) { return CreateFile(t.Context(), path, large) },
		"ensure": func() (*Region, error) { return EnsureFile(t.Context(), path, large) },
	} {
		if _, err := open(); err == nil {
			t.Fatalf("%s: a region of %d bytes", name, large.Size)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a file is left (%v)", name, err)
		}
	}
	mustNot(t, os.WriteFile(path, nil, 0o600))
	if _, err := EnsureFile(t.Context(), path, large); err == nil {
		t.Fatal("a region")
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 0 {
		t.Errorf("the empty file: %v (%v)", st, err)
	}
	if _, err := OpenFile(t.Context(), path); !errors.Is(err, ErrNoRegion) {
		t.Errorf("an empty file: %v", err)
	}
	mustNot(t, os.WriteFile(path, make([]byte, 8192), 0o600))
	if _, err := OpenFile(t.Context(), path); !errors.Is(err, ErrNoRegion) {
		t.Errorf("zeros: %v", err)
	}
}

// A file that is removed before there is a region in it is made again.
func TestFileRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	for range 10 {
		f, err := createFile(path)
		mustNot(t, err, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		done := make(chan error, 1)
		go func() {
			r, err := EnsureFile(t.Context(), path, smallFile)
			if err == nil {
				err = r.Close()
			}
			done <- err
		}()
		for !flockHasWaiter(t, f) {
			select {
			case err := <-done:
				t.Fatalf("it did not wait for the lock: %v", err)
			default:
				runtime.Gosched()
			}
		}
		mustNot(t, os.Remove(path), f.Close(), <-done, os.Remove(path))
	}
}

// createFile makes an empty file that lets in nobody else.
func createFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// flockHasWaiter reports whether a process waits for the lock on a file: proc_locks(5).
func flockHasWaiter(t *testing.T, f *os.File) bool {
	t.Helper()
	st, err := f.Stat()
	mustNot(t, err)
	locks, err := os.ReadFile("/proc/locks")
	mustNot(t, err)
	return regexp.MustCompile(fmt.Sprintf(`-> FLOCK .*:%d `, st.Sys().(*syscall.Stat_t).Ino)).Match(locks)
}

// A process that waits for the maker of the region gives up under a context.
func TestFileContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	f, err := createFile(path)
	mustNot(t, err, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := EnsureFile(ctx, path, smallFile); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	mustNot(t, f.Close())
	ensureFile(t, path)
}

// However many processes race, one region comes out.
func TestFileRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r, err := EnsureFile(t.Context(), path, smallFile)
			if err != nil {
				t.Error(err)
				return
			}
			n, err := CounterOf(r, "n")
			mustBe(t, err == nil, "%v", err)
			_, err = n.Add(1)
			mustBe(t, err == nil, "%v", err)
			mustBe(t, r.Close() == nil, "not closed")
		})
	}
	wg.Wait()
	n, err := CounterOf(ensureFile(t, path), "n")
	mustNot(t, err)
	if got, err := n.Load(); got != 8 || err != nil {
		t.Errorf("%d (%v)", got, err)
	}
}

// Goroutines that are in the region when it is closed end.
func TestFileClose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	r := ensureFile(t, path)
	c, err := ChanOf[int64](r, "c", 4)
	mustNot(t, err)
	x, err := VarOf[int64](r, "x")
	mustNot(t, err)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			_, err := c.Receive(context.Background())
			mustBe(t, errors.Is(err, fs.ErrClosed), "got %v", err)
		})
		wg.Go(func() {
			for {
				if err := x.Store(context.Background(), rand.Int64()); err != nil {
					mustBe(t, errors.Is(err, fs.ErrClosed), "got %v", err)
					return
				}
			}
		})
	}
	mustNot(t, r.Close())
	wg.Wait()
}
