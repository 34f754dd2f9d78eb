//go:build linux

package sysvipc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// pattern returns n bytes that tell where they are, among them NUL.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// A message comes as it was sent: of any length, of any type, with any bytes.
func TestMessagesOfEverySize(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	buf := make([]byte, 8192)
	for n := range 8192 + 1 {
		data, typ := pattern(n), int64(1+n)
		check(t, q.Send(bg, typ, data))
		if n%2 == 0 {
			m, err := q.Receive(bg, sysvipc.Any)
			if err != nil || m.Type != typ || !bytes.Equal(m.Data, data) || m.Data == nil {
				t.Fatalf("of %d bytes: type %d, %d bytes, %v", n, m.Type, len(m.Data), err)
			}
			continue
		}
		got, gotType, err := q.ReceiveInto(bg, sysvipc.Any, buf[:n])
		if err != nil || got != n || gotType != typ || !bytes.Equal(buf[:got], data) {
			t.Fatalf("of %d bytes: %d bytes of type %d, %v", n, got, gotType, err)
		}
	}
	for _, typ := range []int64{1, 255, math.MaxInt32, int64(math.MaxInt)} {
		check(t, q.Send(bg, typ, []byte("a\x00b\x00")))
		if m, err := q.Receive(bg, sysvipc.OfType(typ)); err != nil || m.Type != typ || string(m.Data) != "a\x00b\x00" {
			t.Errorf("of type %d: %+v, %v", typ, m, err)
		}
	}
	if int64(math.MaxInt) == math.MaxInt32 {
		wantError(t, q.Send(bg, math.MaxInt32+1, nil), "", invalid...)
	}
	// A longer buffer keeps its rest, and the caller's data stays his.
	data := []byte("data")
	check(t, q.Send(bg, 1, data))
	copy(data, "----")
	copy(buf, "..........")
	if n, _, err := q.ReceiveInto(bg, sysvipc.Any, buf[:10]); n != 4 || err != nil || string(buf[:10]) != "data......" {
		t.Errorf("%d bytes, %v, in %q", n, err, buf[:10])
	}
}

// Above the kernel's default of 8,192 bytes a message comes whole too, even when the limit was lowered since.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	ipctest.SetLimit(t, "msgmax", "5000000")
	ipctest.SetLimit(t, "msgmnb", "20000000")
	q := newQueue(t)
	sizes := []int{8193, 32768, 32769, 200_000, 5_000_000}
	for i, n := range sizes {
		check(t, q.Send(bg, int64(1+i), pattern(n)))
	}
	ok, err := q.TrySend(1, pattern(5_000_000))
	if !ok || err != nil {
		t.Fatalf("TrySend of 5 MB: %v, %v", ok, err)
	}
	for i, n := range sizes {
		if m, err := q.Peek(i); err != nil || !bytes.Equal(m.Data, pattern(n)) {
			if ipctest.UnderQEMU() {
				break
			}
			t.Errorf("Peek at %d bytes: %d, %v", n, len(m.Data), err)
		}
	}
	// Truncated is about a buffer of the caller, and here there is none.
	if m, err := q.Receive(bg, sysvipc.OfType(1).Truncated()); err != nil || !bytes.Equal(m.Data, pattern(8193)) {
		t.Errorf("Receive of 8193 bytes: %d, %v", len(m.Data), err)
	}
	if m, ok, err := q.TryReceive(sysvipc.OfType(2).Truncated()); !ok || err != nil || !bytes.Equal(m.Data, pattern(32768)) {
		t.Errorf("TryReceive of 32768 bytes: %d, %v, %v", len(m.Data), ok, err)
	}

	ipctest.SetLimit(t, "msgmax", "100")
	if !ipctest.UnderQEMU() {
		unchanged(t, func() error { return err1(q.Peek(0)) },
			fmt.Sprintf("peek at queue %d: invalid argument (the kernel copies no message that is larger than kernel.msgmax, which was lowered after it was sent)", q.ID()), syscall.EINVAL)
	}
	buf := make([]byte, 40_000)
	if n, typ, err := q.ReceiveInto(bg, sysvipc.Any, buf); n != 32769 || typ != 3 || err != nil || !bytes.Equal(buf[:n], pattern(32769)) {
		t.Errorf("ReceiveInto of 32769 bytes: %d, %d, %v", n, typ, err)
	}
	if m, ok, err := q.TryReceive(sysvipc.Any); !ok || err != nil || !bytes.Equal(m.Data, pattern(200_000)) {
		t.Errorf("TryReceive of 200,000 bytes: %d, %v, %v", len(m.Data), ok, err)
	}
	for m, err := range q.Messages(bg, sysvipc.Any) {
		if err != nil || !bytes.Equal(m.Data, pattern(5_000_000)) {
			t.Errorf("one of 5 MB: %d, %v", len(m.Data), err)
		}
		if m.Type == 1 {
			break
		}
	}
}

// A message that does not fit the buffer stays, unless it may be cut.
func TestSmallBuffer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	check(t, q.Send(bg, 4, []byte("longer than that")))
	check(t, q.Send(bg, 4, []byte("short")))
	buf := []byte("....")
	for range 3 {
		n, typ, err := q.ReceiveInto(bg, sysvipc.OfType(4), buf)
		wantError(t, err, fmt.Sprintf("sysvipc: receive from queue %d: too big (the message is larger than the buffer of 4 bytes, and is still on the queue)", q.ID()), e2big...)
		if n != 0 || typ != 0 || string(buf) != "...." {
			t.Errorf("it gave %d bytes of type %d, and the buffer is %q", n, typ, buf)
		}
	}
	if st := must(q.Stat())(t); st.Messages != 2 {
		t.Errorf("%d messages are left, want 2", st.Messages)
	}
	if n, typ, err := q.ReceiveInto(bg, sysvipc.OfType(4).Truncated(), buf); n != 4 || typ != 4 || err != nil || string(buf) != "long" {
		t.Errorf("truncated: %d bytes of type %d, %v: %q", n, typ, err, buf)
	}
	if m, err := q.Receive(bg, sysvipc.Any); err != nil || string(m.Data) != "short" {
		t.Errorf("the next is %q, %v: the rest of the first is lost", m.Data, err)
	}
	check(t, q.Send(bg, 9, []byte("x")))
	if n, typ, err := q.ReceiveInto(bg, sysvipc.Any.Truncated(), nil); n != 0 || typ != 9 || err != nil {
		t.Errorf("into no buffer: %d bytes of type %d, %v", n, typ, err)
	}
	check(t, q.Send(bg, 9, nil))
	if n, typ, err := q.ReceiveInto(bg, sysvipc.Any, nil); n != 0 || typ != 9 || err != nil {
		t.Errorf("an empty message into no buffer: %d bytes of type %d, %v", n, typ, err)
	}
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	try := func(n int, want bool) {
		t.Helper()
		if ok, err := q.TrySend(1, make([]byte, n)); ok != want || err != nil {
			t.Errorf("TrySend of %d bytes: %v, %v; want %v", n, ok, err, want)
		}
	}
	check(t, q.SetMaxBytes(100))
	try(60, true)
	try(41, false)
	try(40, true)
	try(1, false)
	try(0, true) // an empty message fits into a queue that is full of bytes
	_, err := q.TrySend(1, make([]byte, 101))
	wantError(t, err, "", toolong...)
	check(t, q.SetMaxBytes(101))
	try(1, true)
	try(101, false) // now it can fit, some day

	// Below what is on the queue: receivers make room again.
	check(t, q.SetMaxBytes(50))
	try(1, false)
	must(q.Receive(bg, sysvipc.Any))(t) // 60 bytes: 41 are left
	try(10, false)
	try(9, true)

	// No more messages than bytes, so that empty ones are not for free.
	few := newQueue(t)
	check(t, few.SetMaxBytes(3))
	for i := range 5 {
		if ok, err := few.TrySend(1, nil); ok != (i < 3) || err != nil {
			t.Errorf("empty message %d: %v, %v", i, ok, err)
		}
	}
	if st := must(few.Stat())(t); st.MaxBytes != 3 || st.Messages != 3 || st.Bytes != 0 {
		t.Errorf("the queue is %+v", st)
	}
}

// A capacity of 0 stops senders, of empty messages too, while receivers drain the queue; more room lets them go on.
func TestCapacityZero(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	check(t, q.Send(bg, 1, []byte("before")))
	check(t, q.SetMaxBytes(0))
	if st := must(q.Stat())(t); st.MaxBytes != 0 || st.Messages != 1 {
		t.Errorf("the queue is %+v", st)
	}
	for _, data := range [][]byte{nil, []byte("more")} {
		if ok, err := q.TrySend(1, data); ok || err != nil {
			t.Errorf("TrySend of %d bytes: %v, %v", len(data), ok, err)
		}
	}
	p := ipctest.Start(t, sender, nil, fmt.Sprint(q.ID()))
	ipctest.WaitBlocked(t, p.PID, 1)
	if m := must(q.Receive(bg, sysvipc.Any))(t); string(m.Data) != "before" {
		t.Errorf("received %q", m.Data)
	}
	if _, ok, err := q.TryReceive(sysvipc.Any); ok || err != nil {
		t.Errorf("a sender did not wait: %v, %v", ok, err)
	}
	check(t, q.SetMaxBytes(100))
	if m := must(q.Receive(bg, sysvipc.Any))(t); string(m.Data) != "after" {
		t.Errorf("received %q", m.Data)
	}
	p.Finish()
}

var sender = ipctest.Register("sender", func(c *ipctest.ChildEnv) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	c.Check(sysvipc.QueueByID(id).Send(bg, 1, []byte("after")))
})

func TestTryReceiveInto(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	buf := make([]byte, 4)
	try := func(sel sysvipc.Selector, wantText string, wantType int64, wantOK bool) {
		t.Helper()
		n, typ, ok, err := q.TryReceiveInto(sel, buf)
		if string(buf[:n]) != wantText || typ != wantType || ok != wantOK || err != nil {
			t.Errorf("got %q of type %d, %v, %v", buf[:n], typ, ok, err)
		}
	}
	try(sysvipc.Any, "", 0, false)
	check(t, q.Send(bg, 3, []byte("long message")))
	_, _, ok, err := q.TryReceiveInto(sysvipc.Any, buf)
	wantError(t, err, fmt.Sprintf("sysvipc: receive from queue %d: too big (the message is larger than the buffer of 4 bytes, and is still on the queue)", q.ID()), e2big...)
	if ok {
		t.Error("a message that does not fit was received")
	}
	try(sysvipc.OfType(2), "", 0, false)
	check(t, q.Send(bg, 2, []byte("two")))
	try(sysvipc.OfType(2), "two", 2, true)
	try(sysvipc.OfType(3).Truncated(), "long", 3, true)
	_, _, _, err = q.TryReceiveInto(sysvipc.OfType(0), buf)
	wantError(t, err, "", syscall.EINVAL)
}

// A look takes nothing and leaves no trace, from any process and however often.
func TestPeek(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	q := newQueue(t)
	for i := range 10 {
		check(t, q.Send(bg, int64(10-i), []byte(strings.Repeat("x", i))))
	}
	needPeek(t, q)
	before := ipctest.Snapshot()
	for range 3 {
		for i := range 10 {
			if m, err := q.Peek(i); err != nil || m.Type != int64(10-i) || len(m.Data) != i {
				t.Errorf("message %d: %+v, %v", i, m, err)
			}
		}
	}
	unchanged(t, func() error { return err1(q.Peek(10)) },
		fmt.Sprintf("peek at queue %d: no such message (it has no message with index 10)", q.ID()), syscall.ENOMSG, sysvipc.ErrWouldBlock)
	unchanged(t, func() error { return err1(q.Peek(math.MaxInt)) }, fmt.Sprintf("peek at queue %d: no such message (it has no message with index %d)", q.ID(), math.MaxInt), syscall.ENOMSG, sysvipc.ErrWouldBlock)
	if diff := cmp.Diff(before, ipctest.Snapshot()); diff != "" {
		t.Errorf("looking changed something (-before +after):\n%s", diff)
	}
}

func TestMessagesLoop(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	for i := range 5 {
		check(t, q.Send(bg, int64(1+i%2), []byte{byte(i)}))
	}
	var got []byte
	for m, err := range q.Messages(bg, sysvipc.OfType(1)) {
		check(t, err)
		got = append(got, m.Data...)
		if len(got) == 2 {
			break
		}
	}
	if !bytes.Equal(got, []byte{0, 2}) {
		t.Errorf("got messages %d, want 0 and 2", got)
	}
	if st := must(q.Stat())(t); st.Messages != 3 {
		t.Errorf("%d messages are left, want 3", st.Messages)
	}
	// It ends with its context, whose error it yields once.
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	var errs []error
	for m, err := range q.Messages(ctx, sysvipc.Any) {
		if errs = append(errs, err); len(errs) == 3 {
			cancel()
		}
		if err != nil && (m.Type != 0 || m.Data != nil) {
			t.Errorf("with %v it gave %+v", err, m)
		}
	}
	if len(errs) != 4 || errors.Join(errs[:3]...) != nil || !errors.Is(errs[3], context.Canceled) {
		t.Errorf("the loop gave %v", errs)
	}
	check(t, q.Send(bg, 1, nil))
	check(t, q.Remove())
	count := 0
	for _, err := range q.Messages(bg, sysvipc.Any) {
		count++
		wantError(t, err, "", removed...)
	}
	if count != 1 {
		t.Errorf("a queue that is gone gave %d messages", count)
	}
}

func TestQueueStat(t *testing.T) {
	t.Parallel()
	needModes(t)
	key := newKey(t)
	q := must(sysvipc.CreateQueue(key, 0o620))(t)
	want := sysvipc.QueueStat{
		Object: sysvipc.Object{
			Kind: sysvipc.KindQueue, ID: q.ID(), Key: key, Mode: 0o620,
			UID: os.Geteuid(), GID: os.Getegid(), CUID: os.Geteuid(), CGID: os.Getegid(),
		},
		MaxBytes: 16384,
	}
	step := func(what string) {
		t.Helper()
		st := must(q.Stat())(t)
		if !recent(st.Changed) {
			t.Errorf("%s: changed at %v", what, st.Changed)
		}
		want.Changed = st.Changed
		if ipctest.UnderQEMU() { // its struct msqid_ds has other places for them
			want.LastSendPID, want.LastReceivePID = st.LastSendPID, st.LastReceivePID
		}
		if diff := cmp.Diff(want, st); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	step("new")
	check(t, q.Send(bg, 1, []byte("12345")))
	check(t, q.Send(bg, 2, nil))
	want.Messages, want.Bytes, want.LastSendPID, want.Sent = 2, 5, os.Getpid(), must(q.Stat())(t).Sent
	if !recent(want.Sent) {
		t.Errorf("sent at %v", want.Sent)
	}
	step("sent")
	must(q.Receive(bg, sysvipc.Any))(t)
	want.Messages, want.Bytes, want.LastReceivePID, want.Received = 1, 0, os.Getpid(), must(q.Stat())(t).Received
	if !recent(want.Received) {
		t.Errorf("received at %v", want.Received)
	}
	step("received")
	check(t, q.SetMaxBytes(777))
	want.MaxBytes = 777
	step("SetMaxBytes")
	check(t, q.Chmod(0o606))
	want.Mode = 0o606
	step("Chmod")
	if canGive() {
		check(t, q.Chown(1234, -1))
		want.UID = 1234
		step("Chown")
	}
}

func TestSelectorString(t *testing.T) {
	t.Parallel()
	for want, sel := range map[string]sysvipc.Selector{
		"any type": sysvipc.Any, "type 7": sysvipc.OfType(7), "lowest type up to 3": sysvipc.UpTo(3), "any type but 2": sysvipc.Except(2),
	} {
		if got := sel.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if (sysvipc.Selector{}) != sysvipc.Any {
		t.Error("the zero Selector is not Any")
	}
}

// Reception in turn, by each way of choosing.
func TestSelection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sel  sysvipc.Selector
		want []int64
	}{
		"any":             {sysvipc.Any, []int64{4, 2, 3, 2, 1, 4}},
		"of type 2":       {sysvipc.OfType(2), []int64{2, 2}},
		"of type 9":       {sysvipc.OfType(9), nil},
		"up to 3":         {sysvipc.UpTo(3), []int64{1, 2, 2, 3}},
		"up to 1":         {sysvipc.UpTo(1), []int64{1}},
		"up to the last":  {sysvipc.UpTo(int64(math.MaxInt)), []int64{1, 2, 2, 3, 4, 4}},
		"all but 2":       {sysvipc.Except(2), []int64{4, 3, 1, 4}},
		"all but 9":       {sysvipc.Except(9), []int64{4, 2, 3, 2, 1, 4}},
		"type 2, cut":     {sysvipc.OfType(2).Truncated(), []int64{2, 2}},
		"all but 4, cut":  {sysvipc.Except(4).Truncated(), []int64{2, 3, 2, 1}},
		"zero value, cut": {sysvipc.Selector{}.Truncated(), []int64{4, 2, 3, 2, 1, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			for _, typ := range []int64{4, 2, 3, 2, 1, 4} {
				check(t, q.Send(bg, typ, nil))
			}
			var got []int64
			for {
				m, ok, err := q.TryReceive(c.sel)
				check(t, err)
				if !ok {
					break
				}
				got = append(got, m.Type)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got types %d, want %d", got, c.want)
			}
		})
	}
}
