//go:build linux

package sysvipc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"time"

	"github.com/sysvipc/sysvipc"
)

// A request and its answer, on one queue: the type says who a message is for.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	q, err := sysvipc.EnsureQueue(sysvipc.KeyOf("example of package sysvipc"), 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove() // queues outlive the process otherwise

	const requests, answers = 1, 2
	go func() { // most likely another process, and perhaps a C program
		m, err := q.Receive(ctx, sysvipc.OfType(requests))
		if err != nil {
			log.Fatal(err)
		}
		if err := q.Send(ctx, answers, append(m.Data, ", world"...)); err != nil {
			log.Fatal(err)
		}
	}()

	if err := q.Send(ctx, requests, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	m, err := q.Receive(ctx, sysvipc.OfType(answers))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Data)
	// Output: hello, world
}

// What one process writes into a segment, another reads.
func ExampleSegment() {
	key := sysvipc.KeyOf("example of Segment")
	seg, err := sysvipc.CreateSegment(key, 2000, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Remove()
	mem, err := seg.Attach(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt([]byte("Message #1"), 0); err != nil {
		log.Fatal(err)
	}

	// In the other process:
	seg2, err := sysvipc.OpenSegment(key)
	if err != nil {
		log.Fatal(err)
	}
	mem2, err := seg2.Attach(&sysvipc.AttachOptions{ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer mem2.Close()
	text := make([]byte, 10)
	if _, err := mem2.ReadAt(text, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, of %d bytes\n", text, mem2.Len())
	// Output: Message #1, of 2000 bytes
}

// A counter that processes share. Nobody orders access to memory, so a semaphore guards it.
func ExampleMemory() {
	ctx := context.Background()
	seg, err := sysvipc.CreateSegment(sysvipc.Private, 8, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Remove()
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer set.Remove()
	mem, err := seg.Attach(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer mem.Close()

	lock := set.At(0).Undo() // given back by the kernel if this process is killed
	for range 3 {
		if err := lock.Acquire(ctx, 1); err != nil {
			log.Fatal(err)
		}
		counter := mem.Bytes()[:8]
		binary.NativeEndian.PutUint64(counter, binary.NativeEndian.Uint64(counter)+1)
		if err := lock.Release(1); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(binary.NativeEndian.Uint64(mem.Bytes()))
	// Output: 3
}

// However many processes begin like this, they have one set, whose value was 2 when the first of them saw it.
func ExampleEnsureSemaphores() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	set, err := sysvipc.EnsureSemaphores(ctx, sysvipc.KeyOf("example of EnsureSemaphores"), 0o600, 2)
	if errors.Is(err, sysvipc.ErrUninitialized) {
		// Its creator was killed before it had set the value: an administrator decides, once, what it should be.
		log.Fatal(err)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer set.Remove()
	values, err := set.Values()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(values)
	// Output: [2]
}

// The take and give of the manual page perlipc: take waits for zero and adds one, in one operation.
func ExampleSemaphoreSet_Do() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer set.Remove()

	take := []sysvipc.Op{sysvipc.WaitZero(0), sysvipc.Add(0, +1).Undo()}
	give := []sysvipc.Op{sysvipc.Add(0, -1).Undo()}
	if err := set.Do(ctx, take...); err != nil {
		log.Fatal(err)
	}
	ok, err := set.TryDo(take...)
	fmt.Println("taken twice:", ok, err)

	impatient, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	err = set.Do(impatient, take...)
	fmt.Println("too late:", errors.Is(err, context.DeadlineExceeded))

	if err := set.Do(ctx, give...); err != nil {
		log.Fatal(err)
	}
	ok, err = set.TryDo(take...)
	fmt.Println("taken after give:", ok, err)
	// Output:
	// taken twice: false <nil>
	// too late: true
	// taken after give: true <nil>
}

// Two slots for any number of processes.
func ExampleSemaphore() {
	ctx := context.Background()
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer set.Remove()

	slots := set.At(0)
	if err := slots.Acquire(ctx, 2); err != nil {
		log.Fatal(err)
	}
	ok, err := slots.TryAcquire(1)
	fmt.Println(ok, err)
	if err := slots.Release(1); err != nil {
		log.Fatal(err)
	}
	value, err := slots.Value()
	fmt.Println(value, err)
	// Output:
	// false <nil>
	// 1 <nil>
}

// Receivers choose by type, here as a priority: 1 is the most urgent.
func ExampleQueue_Receive() {
	ctx := context.Background()
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()
	for typ, text := range map[int64]string{3: "later", 1: "urgent", 7: "some day", 2: "soon"} {
		if err := q.Send(ctx, typ, []byte(text)); err != nil {
			log.Fatal(err)
		}
	}
	for range 3 {
		m, err := q.Receive(ctx, sysvipc.UpTo(5))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", m.Type, m.Data)
	}
	_, ok, err := q.TryReceive(sysvipc.UpTo(5))
	fmt.Println(ok, err)
	// Output:
	// 1 urgent
	// 2 soon
	// 3 later
	// false <nil>
}

// A buffer of the caller, and no allocation. A message that is larger stays on the queue.
func ExampleQueue_ReceiveInto() {
	ctx := context.Background()
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()
	if err := q.Send(ctx, 1, []byte("thirteen byte")); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 8)
	_, _, err = q.ReceiveInto(ctx, sysvipc.Any, buf)
	fmt.Println(errors.Is(err, sysvipc.ErrTooBig))
	n, typ, err := q.ReceiveInto(ctx, sysvipc.Any.Truncated(), buf)
	fmt.Printf("%s %d %v\n", buf[:n], typ, err)
	// Output:
	// true
	// thirteen 1 <nil>
}

func ExampleQueue_Messages() {
	ctx := context.Background()
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()
	for _, text := range []string{"one", "two", "end"} {
		if err := q.Send(ctx, 1, []byte(text)); err != nil {
			log.Fatal(err)
		}
	}
	for m, err := range q.Messages(ctx, sysvipc.Any) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", m.Data)
		if string(m.Data) == "end" {
			break
		}
	}
	// Output:
	// one
	// two
	// end
}

// To look at what waits changes nothing.
func ExampleQueue_Peek() {
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()
	for _, text := range []string{"first", "second"} {
		if err := q.Send(context.Background(), 1, []byte(text)); err != nil {
			log.Fatal(err)
		}
	}
	for i := 0; ; i++ {
		m, err := q.Peek(i)
		if errors.Is(err, sysvipc.ErrWouldBlock) { // there are no more
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d: %s\n", i, m.Data)
	}
	st, err := q.Stat()
	fmt.Println(st.Messages, err)
	// Output:
	// 0: first
	// 1: second
	// 2 <nil>
}

// The key that C programs compute with ftok(3).
func ExampleFtok() {
	key, err := sysvipc.Ftok(os.TempDir(), 'S')
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%#x…\n", uint32(key)>>24)
	_, err = sysvipc.Ftok("/no/such/file", 'S')
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// 0x53…
	// true
}

// The same name is the same key, in every program of this package, whatever its release.
func ExampleKeyOf() {
	fmt.Println(sysvipc.KeyOf("orders"))
	// Output: 0x325e96ec
}

func ExampleParseKey() {
	for _, text := range []string{"0x4d2", "1234", "-1", "0755"} {
		key, err := sysvipc.ParseKey(text)
		fmt.Println(key, err)
	}
	// Output:
	// 0x000004d2 <nil>
	// 0x000004d2 <nil>
	// 0xffffffff <nil>
	// 0x00000000 sysvipc: key "0755": a leading zero could mean octal (write it as 0x4d2, 1234 or -1234)
}

// Every segment is listed, whether this process may read it or not.
func ExampleSegments() {
	key := sysvipc.KeyOf("example of Segments")
	seg, err := sysvipc.CreateSegment(key, 1000, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Remove()
	for st, err := range sysvipc.Segments() {
		if err != nil {
			log.Fatal(err)
		}
		if st.Key == key {
			fmt.Println(st.Size, "bytes, attached", st.Attaches, "times")
		}
	}
	// Output: 1000 bytes, attached 0 times
}

func ExampleReadLimits() {
	lim, err := sysvipc.ReadLimits()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a semaphore counts up to", lim.Semaphores.MaxValue)
	fmt.Println("room for more queues:", lim.Queues.InUse < lim.Queues.Max)
	// Output:
	// a semaphore counts up to 32767
	// room for more queues: true
}

// What callers ask of an error, and what people read.
func ExampleError() {
	key := sysvipc.Key(0x5300e37e)
	_, err := sysvipc.OpenSegment(key)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	fmt.Println(err)

	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	if err := q.Remove(); err != nil {
		log.Fatal(err)
	}
	err = q.Send(context.Background(), 1, nil)
	fmt.Println(errors.Is(err, sysvipc.ErrRemoved))
	// Output:
	// true
	// sysvipc: open segment 0x5300e37e: not found (no segment has this key in this IPC namespace)
	// true
}

// A sparse segment that is larger than memory: only what is touched takes any.
func ExampleCreator() {
	seg, err := sysvipc.Creator{NoReserve: true}.CreateSegment(sysvipc.Private, 1<<30, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Remove()
	st, err := seg.Stat()
	fmt.Println(st.Size, err)
	// Output: 1073741824 <nil>
}
