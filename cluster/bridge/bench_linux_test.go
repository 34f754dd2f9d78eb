package bridge_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// carrier has n messages sent at one end and received at the other, one each so often, or
// as fast as that goes, and returns how long they were on their way.
type carrier func(n int, every time.Duration) (p50, p99 time.Duration)

// now is the time for all processes of the machine.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// emit sends so many messages, those of each millisecond together, whether or not the
// earlier ones have arrived. What is late since the sender was held up counts from when it
// was due.
func emit(n int, every time.Duration, send func(data []byte) error) error {
	stamp := now()
	for i, due := 0, stamp; i < n; {
		if every > 0 {
			due += time.Millisecond
			stamp = due
			if early := due - now(); early > 0 {
				time.Sleep(early)
				stamp = now()
			}
		}
		for first := i; i < n && (every == 0 || time.Duration(i-first)*every < time.Millisecond); i++ {
			if every == 0 {
				stamp = now()
			}
			data := append([]byte{}, clustertest.Payload...)
			binary.NativeEndian.PutUint64(data, uint64(stamp))
			if err := send(data); err != nil {
				return err
			}
		}
	}
	return nil
}

func absorb(n int, receive func() ([]byte, error)) (p50, p99 time.Duration, err error) {
	var all []time.Duration
	for range n {
		data, err := receive()
		if err != nil {
			return 0, 0, err
		}
		all = append(all, now()-time.Duration(binary.NativeEndian.Uint64(data)))
	}
	p50, p99 = clustertest.Percentiles(all)
	return p50, p99, nil
}

// emitter and absorber are the programs at a bridge's ends: the ID of their queue. Like
// programs in C they call the kernel, and wait there.
var emitter = ipctest.Register("emitter", func(c *ipctest.ChildEnv) {
	call := queueCall(c, unix.SYS_MSGSND)
	for line := c.Listen(); line != ""; line = c.Listen() {
		var n int
		var every time.Duration
		fmt.Sscan(line, &n, (*int64)(&every))
		c.Check(emit(n, every, func(data []byte) error { _, err := call(data); return err }))
	}
})

var absorber = ipctest.Register("absorber", func(c *ipctest.ChildEnv) {
	call, buf := queueCall(c, unix.SYS_MSGRCV), make([]byte, 8192)
	for line := c.Listen(); line != ""; line = c.Listen() {
		n, err := strconv.Atoi(line)
		c.Check(err)
		p50, p99, err := absorb(n, func() ([]byte, error) { n, err := call(buf); return buf[:n], err })
		c.Check(err)
		c.Say("%d %d", p50, p99)
	}
})

// queueCall returns msgsnd(2) or msgrcv(2) on a queue, with type 1.
func queueCall(c *ipctest.ChildEnv, nr uintptr) func(text []byte) (int, error) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	var msg struct {
		mtype int
		mtext [8192]byte
	}
	return func(text []byte) (int, error) {
		msg.mtype = 1
		copy(msg.mtext[:], text)
		n, errno := uintptr(0), unix.EINTR // as Go's scheduler does now and then
		for errno == unix.EINTR {
			n, _, errno = unix.Syscall6(nr, uintptr(id), uintptr(unsafe.Pointer(&msg)), uintptr(len(text)), 0, 0, 0)
		}
		if errno != 0 {
			return 0, errno
		}
		copy(text, msg.mtext[:n])
		return int(n), nil
	}
}

// bridged goes from one kernel queue to another over two bridges. The programs at its ends
// are processes, as they are where there is a bridge.
func bridged(b *testing.B) carrier {
	name, dir := unique(), b.TempDir()
	var ends [2]*ipctest.Process
	for i, carry := range []func(*bridge.Bridge, context.Context) error{(*bridge.Bridge).Send, (*bridge.Bridge).Receive} {
		local := kernel(b)
		remote, err := connect(b, nil).EnsureQueue(b.Context(), name, nil)
		check(b, err)
		runBridge(b, &bridge.Bridge{Local: opens(local), Remote: remote, Journal: filepath.Join(dir, fmt.Sprint(i))}, carry)
		ends[i] = ipctest.Start(b, []string{emitter, absorber}[i], nil, strconv.Itoa(local.ID()))
	}
	return func(n int, every time.Duration) (p50, p99 time.Duration) {
		ends[1].Tell(strconv.Itoa(n))
		ends[0].Tell(fmt.Sprint(n, int64(every)))
		line := ends[1].Line()
		if _, err := fmt.Sscan(line, (*int64)(&p50), (*int64)(&p99)); err != nil {
			b.Fatalf("%q: %v", line, err)
		}
		return p50, p99
	}
}

// bared publishes, with 256 in flight as a bridge has, and consumes.
func bared(b *testing.B) carrier {
	own, stream := clustertest.BareStream(b, connect(b, nil))
	js, err := jetstream.New(own.Conn(), jetstream.WithPublishAsyncMaxPending(256))
	check(b, err)
	got := make(chan []byte, 100000)
	clustertest.BareConsume(b, connect(b, nil), stream, func(m jetstream.Msg) { got <- m.Data() })
	return func(n int, every time.Duration) (p50, p99 time.Duration) {
		sent := make(chan error, 1)
		go func() {
			sent <- emit(n, every, func(data []byte) error { _, err := js.PublishAsync(stream, data); return err })
		}()
		p50, p99, err := absorb(n, func() ([]byte, error) { return <-got, nil })
		check(b, err)
		check(b, <-sent)
		return p50, p99
	}
}

// flood sends n messages as fast as that goes, and returns how long one took.
func (c carrier) flood(n int) time.Duration {
	began := time.Now()
	c(n, 0)
	return time.Since(began) / time.Duration(n)
}

// From one kernel queue to another over two bridges, beside publish and consume.
func BenchmarkBridge(b *testing.B) {
	ours, bare := bridged(b), bared(b)
	const n = 2000
	clustertest.Turns(b, func() time.Duration { return ours.flood(n) }, func() time.Duration { return bare.flood(n) })
}

// The same at half of what each carries: how long 99 in 100 messages are on their way at
// most. It says little on a machine that has other work: half of what is left is too much a
// moment later.
func BenchmarkBridgeHalfLoad(b *testing.B) {
	ours, bare := bridged(b), bared(b)
	const n = 2000
	p99 := func(c carrier, half *[]float64) func() time.Duration {
		return func() time.Duration {
			p50, p99 := c(n, 2*c.flood(n)) // of what it carries now
			*half = append(*half, float64(p50.Nanoseconds()))
			return p99
		}
	}
	var own, floor []float64
	clustertest.Turns(b, p99(ours, &own), p99(bare, &floor))
	b.ReportMetric(clustertest.Median(own), "p50-ns/op")
	b.ReportMetric(clustertest.Median(floor), "bare-p50-ns/op")
}
