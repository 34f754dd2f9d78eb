package dashboard

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
	all := h.Samples(time.Unix(0, 0), 1<<20)
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
	h := NewHistory(10)
	wantRange(t, h, 0, 0)
	fill(t, h, 0, 7)
	wantRange(t, h, 0, 7)
	fill(t, h, 7, 25)
	wantRange(t, h, 15, 25)
	if got := seconds(h.Samples(time.Unix(20, 0), 100)); len(got) != 5 || got[0] != 20 {
		t.Errorf("from 20 on there are %v", got)
	}
	if got := h.Samples(time.Unix(0, 0), 5); len(got) != 5 || got[0].Segments != 16 || got[4].Segments != 24 || got[1].Blocked != 4 {
		t.Errorf("thinned to 5 they are %+v", got)
	}
}

// A history survives its process, and a slot that was half written.
func TestHistoryFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	size := func(n int64) int64 { return historyHeader + n*slotSize }
	open := func(n int64) *History {
		t.Helper()
		h, err := OpenHistory(path, size(n))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		return h
	}
	h := open(10)
	fill(t, h, 0, 13)
	if _, err := OpenHistory(path, size(10)); err == nil {
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
	text[size(4)+20] ^= 1 // in slot 4, of second 14
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
	if _, err := OpenHistory(path, size(10)); err == nil {
		t.Error("another file is taken for a history")
	}
	if _, err := OpenHistory(path+"2", 100); err == nil {
		t.Error("there is a history without room")
	}
}

// BenchmarkSamples reads a week of one sample a second, as a page does.
func BenchmarkSamples(b *testing.B) {
	const week = 7 * 24 * 3600
	h := NewHistory(week)
	for s := range int64(week) {
		h.Add(at(s))
	}
	b.ReportMetric(float64(historyHeader+week*slotSize)/(1<<20), "MiB")
	for b.Loop() {
		h.Samples(time.Unix(0, 0), historyPoints)
	}
}
