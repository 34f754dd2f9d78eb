//go:build amd64 || arm64

package trace

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Each call is an event, in order, with its arguments decoded.
func TestEvents(t *testing.T) {
	t.Parallel()
	tr := start0(t, &Options{Events: true, PID: kernelPID(t)})
	set := newSet(t, 2)
	semop(set, []sembuf{{0, 1, 0}, {1, 2, flagUndo}})
	semtimedop(set, []sembuf{{0, -5, 0}}, 2*time.Millisecond)
	semop(set, []sembuf{{1, 0, flagNowait}})
	call(unix.SYS_SEMCTL, uintptr(set), 1, 16, 7)
	queue, _ := call(unix.SYS_MSGGET, 0, 0o600)
	m := message{typ: 42}
	call(unix.SYS_MSGSND, queue, uintptr(unsafe.Pointer(&m)), 8, 0)
	call(unix.SYS_MSGRCV, queue, uintptr(unsafe.Pointer(&m)), 8, ^uintptr(49)+0, flagNowait|0o10000)
	call(unix.SYS_MSGCTL, queue, ipcRMID, 0)
	segment, _ := call(unix.SYS_SHMGET, 0x1234, 8192, 0o1600)
	address, _ := call(unix.SYS_SHMAT, segment, 0, 0o10000)
	call(unix.SYS_SHMDT, address)
	call(unix.SYS_SHMCTL, segment, ipcRMID, 0)
	call(unix.SYS_SEMGET, 0x7fff1234, 1, 0)
	const last = `semget\(0x7fff1234, 1, 0\) = -1 ENOENT`
	want := []string{
		`semget\(IPC_PRIVATE, 2, 0600\) = %set`,
		`semop\(sem:%set, 0\+1 1\+2:undo\) = 0`,
		`semtimedop\(sem:%set, 0-5, 2ms\) = -1 EAGAIN`,
		`semop\(sem:%set, 1=0:nowait\) = -1 EAGAIN`,
		`semctl\(sem:%set, 1, SETVAL, 7\) = 0`,
		`msgget\(IPC_PRIVATE, 0600\) = %queue`,
		`msgsnd\(msg:%queue, \{type 42\}, 8, 0\) = 0`,
		`msgrcv\(msg:%queue, \{type 42\}, 8, -50, IPC_NOWAIT\|MSG_NOERROR\) = 8`,
		`msgctl\(msg:%queue, IPC_RMID, NULL\) = 0`,
		`shmget\(0x0*1234, 8192, IPC_CREAT\|0600\) = %segment`,
		`shmat\(shm:%segment, NULL, SHM_RDONLY\) = 0x[0-9a-f]+`,
		`shmdt\(0x[0-9a-f]+ of shm:%segment\) = 0`,
		`shmctl\(shm:%segment, IPC_RMID, NULL\) = 0`,
		last,
	}
	names := strings.NewReplacer("%set", itoa(uintptr(set)), "%queue", itoa(queue), "%segment", itoa(segment))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := regexp.MustCompile(last)
	for i := 0; i < len(want); {
		e, err := tr.Next(ctx)
		if err != nil {
			t.Fatalf("no event like %s: %v", want[i], err)
		}
		text := e.String()
		if regexp.MustCompile("^" + names.Replace(want[i]) + ` <[0-9.]+[nµm]?s>$`).MatchString(text) {
			if e.PID != os.Getpid() || time.Since(e.Time) > time.Minute || e.Took <= 0 {
				t.Errorf("%+v", e)
			}
			i++
			continue
		}
		if seen.MatchString(text) {
			t.Fatalf("no event like %s", names.Replace(want[i]))
		}
	}
	for _, done := range []struct {
		end  func(cancel func())
		want error
	}{{func(cancel func()) { cancel() }, context.Canceled}, {func(func()) { tr.Close() }, os.ErrClosed}} {
		ctx, cancel := context.WithCancel(t.Context())
		var over sync.WaitGroup
		over.Go(func() {
			for {
				if _, err := tr.Next(ctx); err != nil {
					if !errors.Is(err, done.want) {
						t.Errorf("the end of waiting: %v, want %v", err, done.want)
					}
					return
				}
			}
		})
		done.end(cancel)
		over.Wait()
		cancel()
	}
}

func itoa(id uintptr) string { return Object{Kind: Semop.Kind(), ID: int(id)}.Ref()[len("sem:"):] }

// A burst of calls that are all different finds room for each.
func TestBurst(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	tr := start0(t, nil)
	const sets = 3000
	want := map[int]bool{}
	for range sets {
		id, errno := call(unix.SYS_SEMGET, 0, 1, 0o600)
		if errno != 0 {
			t.Fatal(errno)
		}
		call(unix.SYS_SEMCTL, id, 0, ipcRMID)
		want[int(id)] = true
	}
	sum, err := tr.Read()
	if err != nil {
		t.Fatal(err)
	}
	counted := uint64(0)
	for _, c := range sum.Calls {
		if c.Errno == 0 && want[c.ID] {
			counted += c.Count
		}
	}
	if counted != 2*sets || sum.Lost != 0 {
		t.Errorf("%d calls counted and %d lost, want %d", counted, sum.Lost, 2*sets)
	}
}

// Quantiles and buckets agree.
func TestHistogram(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, 255: 0, 256: 1, 511: 1, 512: 2, time.Second: 22, time.Hour: Buckets - 1} {
		if got := Bucket(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
		if b := Bucket(d); d >= Bound(b) && b < Buckets-1 {
			t.Errorf("%v is not below %v", d, Bound(b))
		}
	}
	var h Histogram
	if got := h.Quantile(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	h[3], h[10] = 99, 1
	if got := Bucket(h.Quantile(0.5)); got != 3 {
		t.Errorf("the median is in bucket %d, want 3", got)
	}
	if got := Bucket(h.Quantile(0.999)); got != 10 {
		t.Errorf("p99.9 is in bucket %d, want 10", got)
	}
}
