package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/history"
)

func TestParseMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"03:12": "2026-03-01T03:12:00Z", "10:30": "2026-03-01T10:30:00Z", "10:31": "2026-02-28T10:31:00Z", "23:59:58": "2026-02-28T23:59:58Z",
		"2026-01-31 03:12": "2026-01-31T03:12:00Z", "2026-01-31T03:12:05": "2026-01-31T03:12:05Z", "2026-01-31T03:12:05+01:00": "2026-01-31T02:12:05Z",
		"2h": "2026-03-01T08:30:00Z", "1d12h": "2026-02-27T22:30:00Z",
	} {
		at, err := parseMoment(text, now)
		if got := at.UTC().Format(time.RFC3339); err != nil || got != want {
			t.Errorf("%q is %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "25:00", "2026-02-30 03:12", "-2h"} {
		if at, err := parseMoment(text, now); err == nil {
			t.Errorf("%q is %v", text, at)
		}
	}
}

// What was at a time is what the last look before it saw; what other programs wrote is no command to a terminal.
func TestMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	h, err := history.Open(path, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() // it is read while it is written
	at := time.Date(2026, 3, 1, 3, 12, 0, 0, time.UTC)
	for i := range 3 {
		s := history.Sample{Time: at.Add(time.Duration(i-1) * time.Minute).UnixMilli(), Segments: uint32(i + 1), Resident: ^uint64(0), Waiting: 2, Oldest: 90, Orphans: 1}
		if err := h.Add(&s); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Note(history.Event{Time: at, What: history.Found, Text: "stuck: \x1b[31m"}, history.Event{Time: at.Add(time.Minute), What: history.Made, Ref: "shm:9"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := writeMoment(&out, path, at.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	want := `2026-03-01 03:12:10, seen 10s before

TYPE  OBJECTS  HOLD                 IN USE
shm         2  0 bytes              an unknown part in memory, 0 attaches
sem         0  0 semaphores
msg         0  0 messages, 0 bytes  0 queues full or stuck

2 threads waited, the first for 90s; 0 deadlocks; 1 orphan, 0 candidates

TIME                 EVENT  REF  WHAT
2026-03-01 03:12:00  found       stuck: \x1b[31m
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for name, err := range map[string]error{
		"nothing of":        writeMoment(&out, path, at.Add(-time.Hour)),
		"sysvipcd serve --": writeMoment(&out, path+"2", at),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}
