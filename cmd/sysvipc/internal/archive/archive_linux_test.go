package archive_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// dump saves objects into memory.
func dump(t *testing.T, refs ...interface{ ID() int }) []byte {
	t.Helper()
	var b bytes.Buffer
	w := must(archive.NewWriter(&b, archive.Header{Comment: t.Name()}))
	for _, r := range refs {
		s, err := w.Save(t.Context(), kindOf(r), r.ID(), archive.SaveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if s.InUse {
			t.Errorf("%s is in use, want that nobody uses it", s.Ref())
		}
	}
	check(w.Close())
	return b.Bytes()
}

func kindOf(o any) sysvipc.Kind {
	switch o.(type) {
	case *sysvipc.Segment:
		return sysvipc.KindSegment
	case *sysvipc.SemaphoreSet:
		return sysvipc.KindSemaphores
	default:
		return sysvipc.KindQueue
	}
}

// restore restores all objects and returns their IDs; they are removed at the end.
func restore(t *testing.T, file []byte, opts archive.RestoreOptions) (ids []int, errs []error) {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, []error{err}
	}
	for o, err := range r.Objects() {
		if err != nil {
			return ids, append(errs, err)
		}
		id, err := r.Restore(t.Context(), o, opts)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ids = append(ids, id)
		t.Cleanup(func() {
			switch o.SysvKind() {
			case sysvipc.KindSegment:
				check(sysvipc.SegmentByID(id).Remove())
			case sysvipc.KindSemaphores:
				check(sysvipc.SemaphoresByID(id).Remove())
			default:
				check(sysvipc.QueueByID(id).Remove())
			}
		})
	}
	return ids, errs
}

const page = 4096

// sparse makes a segment of some MiB with bytes here and there.
func sparse(t *testing.T) *sysvipc.Segment {
	seg := must(sysvipc.CreateSegment(sysvipc.Key(ipctest.Key(t)), 9<<20+100, 0o640))
	mem := must(seg.Attach(nil))
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3*page+5)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, at := range []int64{0, 1<<20 - 7, 3<<20 + 123, 9<<20 + 99 - int64(len(noise))} {
		must(mem.WriteAt(noise, at))
	}
	must(mem.WriteAt([]byte("end"), 9<<20+97))
	check(mem.Close())
	return seg
}

func contents(id int) []byte {
	mem := must(sysvipc.SegmentByID(id).Attach(&sysvipc.AttachOptions{ReadOnly: true}))
	defer mem.Close()
	p := make([]byte, mem.Len())
	must(mem.ReadAt(p, 0))
	return p
}

func resident(id int) int64 {
	for st, err := range sysvipc.Segments() {
		check(err)
		if st.ID == id {
			return st.Resident
		}
	}
	return -1
}

func TestSegment(t *testing.T) {
	t.Parallel()
	seg := sparse(t)
	was := resident(seg.ID())
	file := dump(t, seg)
	if len(file) > 64<<10 {
		t.Errorf("the file has %d bytes, want only what is not zero", len(file))
	}
	want, stat := contents(seg.ID()), must(seg.Stat())
	check(seg.Remove())
	ids, errs := restore(t, file, archive.RestoreOptions{})
	if errs != nil {
		t.Fatal(errs)
	}
	if now := resident(ids[0]); now > was {
		t.Errorf("it takes %d bytes of memory, want at most %d as before: holes stay holes", now, was)
	}
	if !bytes.Equal(contents(ids[0]), want) {
		t.Error("the bytes are others")
	}
	got := must(sysvipc.SegmentByID(ids[0]).Stat())
	if got.Size != stat.Size || got.Key != stat.Key || got.Mode != stat.Mode || got.UID != stat.UID || got.GID != stat.GID {
		t.Errorf("got %+v, want %+v", got, stat)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	set := must(sysvipc.CreateSemaphores(sysvipc.Key(ipctest.Key(t)), 0o404, 7, 0, 32767))
	stat := must(set.Stat())
	file := dump(t, set)
	check(set.Remove())
	ids, errs := restore(t, file, archive.RestoreOptions{})
	if errs != nil {
		t.Fatal(errs)
	}
	got := sysvipc.SemaphoresByID(ids[0])
	if values := must(got.Values()); !slices.Equal(values, []int{7, 0, 32767}) {
		t.Errorf("got values %v", values)
	}
	if st := must(got.Stat()); st.Key != stat.Key || st.Mode != 0o404 {
		t.Errorf("got %+v, want %+v", st, stat)
	}
}

func fill(q *sysvipc.Queue, messages ...sysvipc.Message) {
	for _, m := range messages {
		if !must(q.TrySend(m.Type, m.Data)) {
			panic("the queue is full")
		}
	}
}

func drain(q *sysvipc.Queue) (all []sysvipc.Message) {
	for {
		m, ok, err := q.TryReceive(sysvipc.Any)
		check(err)
		if !ok {
			return all
		}
		all = append(all, m)
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	q := must(sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o622))
	want := []sysvipc.Message{
		{Type: 3, Data: []byte("three")},
		{Type: 1, Data: []byte{}},
		{Type: 1<<31 - 1, Data: bytes.Repeat([]byte("x\x00"), 4000)},
		{Type: 3, Data: []byte("again")},
	}
	fill(q, want...)
	before := must(q.Stat())
	check(q.SetMaxBytes(2000)) // less than it holds
	file := dump(t, q)
	if st := must(q.Stat()); st.Messages != 4 || st.LastReceivePID != before.LastReceivePID || st.Received != before.Received {
		t.Errorf("saving changed the queue: %+v", st)
	}
	check(q.Remove())
	ids, errs := restore(t, file, archive.RestoreOptions{})
	if errs != nil {
		t.Fatal(errs)
	}
	got := sysvipc.QueueByID(ids[0])
	if st := must(got.Stat()); st.MaxBytes != 2000 || st.Mode != 0o622 || st.Key != before.Key {
		t.Errorf("got %+v", st)
	}
	if diff := cmp.Diff(drain(got), want); diff != "" {
		t.Errorf("messages, got (-) and want (+):\n%s", diff)
	}
}

// A queue whose senders were stopped is restored so, with its messages or without.
func TestQueueOfNoCapacity(t *testing.T) {
	t.Parallel()
	for _, want := range [][]sysvipc.Message{nil, {{Type: 3, Data: []byte("three")}}} {
		q := must(sysvipc.CreateQueue(sysvipc.Private, 0o600))
		fill(q, want...)
		check(q.SetMaxBytes(0))
		file := dump(t, q)
		check(q.Remove())
		ids, errs := restore(t, file, archive.RestoreOptions{})
		if errs != nil {
			t.Fatal(errs)
		}
		got := sysvipc.QueueByID(ids[0])
		if st := must(got.Stat()); st.MaxBytes != 0 || st.Messages != len(want) {
			t.Errorf("got %+v", st)
		}
		if diff := cmp.Diff(drain(got), want); diff != "" {
			t.Errorf("messages, got (-) and want (+):\n%s", diff)
		}
	}
}

// What is attached is read through those who have it, and no field changes.
func TestSaveDoesNotAttach(t *testing.T) {
	t.Parallel()
	seg := sparse(t)
	defer seg.Remove()
	mem := must(seg.Attach(nil))
	defer mem.Close()
	row := func() sysvipc.SegmentStat {
		for st, err := range sysvipc.Segments() {
			check(err)
			if st.ID == seg.ID() {
				return st
			}
		}
		return sysvipc.SegmentStat{}
	}
	before := row()
	var b bytes.Buffer
	w := must(archive.NewWriter(&b, archive.Header{}))
	s, err := w.Save(t.Context(), sysvipc.KindSegment, seg.ID(), archive.SaveOptions{NoAttach: true})
	check(w.Close())
	if err != nil || s.Attached {
		t.Fatalf("got %+v, %v", s, err)
	}
	if after := row(); ipctest.MemoryFiles() && after != before { // reading memory otherwise makes its pages resident
		t.Errorf("got %+v, want %+v as before", after, before)
	}
	check(mem.Close())
	w = must(archive.NewWriter(&b, archive.Header{}))
	if _, err := w.Save(t.Context(), sysvipc.KindSegment, seg.ID(), archive.SaveOptions{NoAttach: true}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without an attach: got %v, want that it is not possible", err)
	}
	check(w.Close())
}

func TestSameID(t *testing.T) {
	t.Parallel()
	set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1))
	id := set.ID()
	file := dump(t, set)
	if _, errs := restore(t, file, archive.RestoreOptions{SameID: true}); len(errs) != 1 || !errors.Is(errs[0], fs.ErrExist) && !errors.Is(errs[0], fs.ErrPermission) {
		t.Errorf("while the ID is taken: got %v, want that it exists", errs)
	}
	check(set.Remove())
	ids, errs := restore(t, file, archive.RestoreOptions{SameID: true})
	if len(errs) == 1 && errors.Is(errs[0], fs.ErrPermission) {
		ipctest.SkipDenied(t, errs[0], "ipc", ipctest.CapCheckpointRestore, ipctest.CapSysAdmin)
	}
	if errs != nil || ids[0] != id {
		t.Errorf("got IDs %v, %v, want %d", ids, errs, id)
	}
}

// A key that is taken is refused, and what has it stays.
func TestKeyTaken(t *testing.T) {
	t.Parallel()
	q := must(sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600))
	defer q.Remove()
	fill(q, sysvipc.Message{Type: 1, Data: []byte("old")})
	file := dump(t, q)
	fill(q, sysvipc.Message{Type: 1, Data: []byte("new")})
	if _, errs := restore(t, file, archive.RestoreOptions{}); len(errs) != 1 || !errors.Is(errs[0], fs.ErrExist) {
		t.Errorf("got %v, want that it exists", errs)
	}
	if st := must(q.Stat()); st.Messages != 2 {
		t.Errorf("it has %d messages, want 2 as before", st.Messages)
	}
}

// A byte that is changed anywhere is found out, and so is an end that is missing: nothing is left of a
// damaged object, and what is restored is right.
func TestDamage(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	seg := must(sysvipc.CreateSegment(0x5eed, 3*page, 0o600))
	mem := must(seg.Attach(nil))
	must(mem.WriteAt([]byte("text"), 2*page))
	check(mem.Close())
	set := must(sysvipc.CreateSemaphores(0x5eed, 0o600, 3))
	q := must(sysvipc.CreateQueue(0x5eed, 0o600))
	fill(q, sysvipc.Message{Type: 5, Data: []byte("hello")})
	bytesWere := contents(seg.ID())
	file := dump(t, seg, set, q)
	check(errors.Join(seg.Remove(), set.Remove(), q.Remove()))

	try := func(what string, damaged []byte) {
		t.Helper()
		r, err := archive.NewReader(bytes.NewReader(damaged))
		if err != nil {
			return
		}
		failed := false
		for {
			o, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				failed = true
				break
			}
			id, err := r.Restore(t.Context(), o, archive.RestoreOptions{})
			if err != nil {
				failed = true
				continue
			}
			switch o.Kind {
			case "shm":
				if !bytes.Equal(contents(id), bytesWere) {
					t.Errorf("%s: a segment with other bytes was restored", what)
				}
				check(sysvipc.SegmentByID(id).Remove())
			case "sem":
				if v := must(sysvipc.SemaphoresByID(id).Values()); v[0] != 3 {
					t.Errorf("%s: a set with other values was restored: %v", what, v)
				}
				check(sysvipc.SemaphoresByID(id).Remove())
			case "msg":
				if m := drain(sysvipc.QueueByID(id)); len(m) != 1 || string(m[0].Data) != "hello" || m[0].Type != 5 {
					t.Errorf("%s: a queue with other messages was restored: %v", what, m)
				}
				check(sysvipc.QueueByID(id).Remove())
			}
		}
		if !failed {
			t.Errorf("%s: nobody noticed", what)
		}
		if left := must(ipctest.Objects()); len(left) != 0 {
			t.Fatalf("%s: left behind: %v", what, left)
		}
	}
	for i := range file {
		d := bytes.Clone(file)
		d[i] ^= 0x10
		try("a byte changed", d)
		try("cut short", file[:i])
	}
	try("something behind the end", append(bytes.Clone(file), 0))
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "short", strings.Repeat("\x7fELF text ", 100), "sysvipc\x1adumX\x01\x00\x00\x00"} {
		if _, err := archive.NewReader(strings.NewReader(text)); !errors.Is(err, archive.ErrNotDump) {
			t.Errorf("%.10q: got %v", text, err)
		}
	}
	if _, err := archive.NewReader(strings.NewReader("sysvipc\x1adump\x09\x00\x00\x00")); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("got %v, want that its version is not known", err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "dump")
	check(os.WriteFile(name, []byte("old"), 0o644))
	f := must(archive.Create(name, archive.Header{}))
	f.Abandon()
	if text := must(os.ReadFile(name)); string(text) != "old" {
		t.Errorf("got %q, want that an abandoned file leaves the old one", text)
	}
	f = must(archive.Create(name, archive.Header{Comment: "new"}))
	check(f.Commit(true))
	f.Abandon()
	file := must(os.Open(name))
	defer file.Close()
	if r := must(archive.NewReader(file)); r.Header.Comment != "new" || r.Header.Created.IsZero() {
		t.Errorf("got header %+v", r.Header)
	}
	if info := must(file.Stat()); info.Mode() != 0o600 {
		t.Errorf("its mode is %v, want that only its owner reads it", info.Mode())
	}
	if names := must(os.ReadDir(filepath.Dir(name))); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	if _, err := archive.Create("/dev/null", archive.Header{}); err == nil {
		t.Error("/dev/null would be replaced by a file")
	}
}

type brokenPipe struct{ room int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.room -= len(p); b.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// A full disk is an error, and is not the object's fault.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	seg := sparse(t)
	defer seg.Remove()
	w := must(archive.NewWriter(&brokenPipe{5000}, archive.Header{}))
	_, err := w.Save(t.Context(), sysvipc.KindSegment, seg.ID(), archive.SaveOptions{})
	err = errors.Join(err, w.Close())
	if err == nil || w.Err() == nil {
		t.Errorf("got %v and %v, want that the disk is full", err, w.Err())
	}
}

// What is not whole yet is marked: a process that is killed meanwhile leaves it so.
func TestUnfinishedIsMarked(t *testing.T) {
	t.Parallel()
	seg := sparse(t)
	st := must(seg.Stat())
	file := dump(t, seg)
	check(seg.Remove())
	var looked atomic.Int32 // by several goroutines
	restore(t, file, archive.RestoreOptions{Progress: func(int64) {
		s, err := sysvipc.OpenSegment(st.Key)
		if err != nil {
			t.Error(err)
			return
		}
		if now := must(s.Stat()); now.Mode != inspect.Unfinished {
			t.Errorf("its mode is %v while it is filled, want %v", now.Mode, inspect.Unfinished)
		}
		looked.Add(1)
	}})
	s := must(sysvipc.OpenSegment(st.Key))
	if now := must(s.Stat()); now.Mode != st.Mode || looked.Load() == 0 {
		t.Errorf("its mode is %v in the end, after %d looks, want %v", now.Mode, looked.Load(), st.Mode)
	}
}
