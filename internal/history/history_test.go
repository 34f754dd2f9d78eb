package history

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forever is after all samples.
var forever = time.Unix(1<<40, 0)

// sizeFor returns the size of a file with room for n samples.
func sizeFor(n int64) (size int64) {
	for size = headerSize + eventSlot + n*sampleSlot; size-headerSize-max(1, size/eventShare/eventSlot)*eventSlot < n*sampleSlot; size++ {
	}
	return size
}

// at is the sample of a second.
func at(second int64) *Sample {
	return &Sample{Time: second * 1000, Bytes: uint64(second), Segments: uint32(second), Blocked: uint32(second % 7)}
}

func seconds(samples []Sample) (all []int64) {
	for _, s := range samples {
		all = append(all, s.Time/1000)
	}
	return all
}

func fill(t *testing.T, h *History, from, to int64) {
	t.Helper()
	for s := from; s < to; s++ {
		if err := h.Add(at(s)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRange checks that a history has the samples of these seconds, whole.
func wantRange(t *testing.T, h *History, from, to int64) {
	t.Helper()
	all := h.Samples(time.Unix(0, 0), forever, 1<<20)
	if len(all) != int(to-from) {
		t.Fatalf("the samples are of %v, want from %d to %d", seconds(all), from, to)
	}
	for i, s := range all {
		if s != *at(from + int64(i)) {
			t.Errorf("sample %d is %+v, want %+v", i, s, *at(from + int64(i)))
		}
	}
}

func TestHistoryRing(t *testing.T) {
	t.Parallel()
	h := New(10)
	wantRange(t, h, 0, 0)
	fill(t, h, 0, 7)
	wantRange(t, h, 0, 7)
	fill(t, h, 7, 25)
	wantRange(t, h, 15, 25)
	if got := seconds(h.Samples(time.Unix(20, 0), forever, 100)); len(got) != 5 || got[0] != 20 {
		t.Errorf("from 20 on there are %v", got)
	}
	if got := h.Samples(time.Unix(0, 0), forever, 5); len(got) != 5 || got[0].Segments != 16 || got[4].Segments != 24 || got[1].Blocked != 4 {
		t.Errorf("thinned to 5 they are %+v", got)
	}
}

// A history survives its process, and a slot that was half written.
func TestHistoryFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	size := sizeFor
	open := func(n int64) *History {
		t.Helper()
		h, err := Open(path, size(n))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		return h
	}
	h := open(10)
	fill(t, h, 0, 13)
	if _, err := Open(path, size(10)); err == nil {
		t.Error("two processes write one history")
	}
	h.Close()
	h = open(10)
	wantRange(t, h, 3, 13)
	fill(t, h, 13, 15)
	wantRange(t, h, 5, 15)
	h.Close()

	text, err := os.ReadFile(path)
	if err != nil || int64(len(text)) > size(10) {
		t.Fatalf("the file has %d bytes, %v", len(text), err)
	}
	text[h.samples.base+4*sampleSlot+20] ^= 1 // in slot 4, of second 14
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h = open(10)
	wantRange(t, h, 5, 14)
	h.Close()

	h = open(4) // smaller, then larger
	wantRange(t, h, 10, 14)
	h.Close()
	h = open(20)
	wantRange(t, h, 10, 14)
	fill(t, h, 14, 40)
	wantRange(t, h, 20, 40)
	h.Close()

	if err := os.WriteFile(path, bytes.Repeat([]byte("something else\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, size(10)); err == nil {
		t.Error("another file is taken for a history")
	}
	if _, err := Open(path+"2", 100); err == nil {
		t.Error("there is a history without room")
	}
}

// Events are kept beside the samples, and found by time; what is long is cut between characters.
func TestEvents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	h, err := Open(path, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("ä", 100)
	events := []Event{
		{time.UnixMilli(1000), Made, "shm:5", "4096 bytes"},
		{time.UnixMilli(2000), Removed, "sem:2147483647", ""},
		{time.UnixMilli(3000), Found, "", long},
	}
	for _, e := range events {
		if err := h.Note(e); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, h, 0, 3)
	check := func(h *History) {
		t.Helper()
		all := h.Events(time.UnixMilli(0), forever, 10)
		if len(all) != 3 || all[2] != events[0] || all[1] != events[1] || all[0].Text == "" || !strings.HasPrefix(long, all[0].Text) {
			t.Errorf("got %+v", all)
		}
		if all := h.Events(time.UnixMilli(2000), time.UnixMilli(3000), 10); len(all) != 1 || all[0] != events[1] {
			t.Errorf("within a second there are %+v", all)
		}
		if all := h.Events(time.UnixMilli(0), forever, 1, Made, Removed); len(all) != 1 || all[0] != events[1] {
			t.Errorf("the last of two kinds is %+v", all)
		}
		if s, ok := h.At(time.UnixMilli(1999)); !ok || s != *at(1) {
			t.Errorf("at 2 s it was %+v, %v", s, ok)
		}
		if _, ok := h.At(time.UnixMilli(-1)); ok {
			t.Error("there is a sample before the first")
		}
	}
	check(h)
	read, err := Read(path) // while another process writes it
	if err != nil {
		t.Fatal(err)
	}
	check(read)
	read.Close()
	h.Close()
	if h, err = Open(path, 1<<17); err != nil { // another size
		t.Fatal(err)
	}
	check(h)
	h.Close()
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// A process that is killed while it moves a history leaves it whole.
func TestMoveIsAllOrNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	h, err := Open(path, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, h, 0, 20)
	h.Close()
	// What such a process leaves is half of a new file.
	if err := os.WriteFile(path+".new", []byte(magic), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err = Open(path, 1<<17); err != nil {
		t.Fatal(err)
	}
	wantRange(t, h, 0, 20)
	h.Close()
}

// What other programs wrote into the file is refused, or taken for what it is: no record.
func FuzzRead(f *testing.F) {
	head := append([]byte(magic), make([]byte, headerSize-len(magic))...)
	head[eventsAt] = 1
	f.Add(head)
	f.Add(append(head, make([]byte, 1000)...))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "history")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := Read(path)
		if err != nil {
			return
		}
		defer h.Close()
		h.Events(time.Unix(0, 0), forever, 10)
		h.Samples(time.Unix(0, 0), forever, 10)
		h.At(forever)
	})
}

// BenchmarkSamples reads a week of one sample a second, as a page does.
func BenchmarkSamples(b *testing.B) {
	const week = 7 * 24 * 3600
	h := New(week)
	for s := range int64(week) {
		h.Add(at(s))
	}
	b.ReportMetric(float64(sizeFor(week))/(1<<20), "MiB")
	for b.Loop() {
		h.Samples(time.Unix(0, 0), forever, 800)
	}
}
