package sysv

import (
	"os"
	"strconv"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// TestLongCalls makes calls that take long, with one processor for all goroutines: another one gets it meanwhile, and so
// would the garbage collector.
func TestLongCalls(t *testing.T) {
	if qemu() {
		t.Skip("needs messages of 64 MiB, and an IPC namespace for its limits")
	}
	if !ipctest.Alone(t) {
		return
	}
	const size, segment = 64 << 20, 256 << 20
	for _, limit := range []string{"msgmax", "msgmnb"} {
		ipctest.SetLimit(t, limit, strconv.Itoa(size))
	}
	queue := newQueue(t)
	msg := make([]byte, MtypeSize+size)
	for i := range msg {
		msg[i] = 1
	}
	PutMtype(msg, 7)
	send := func() { noError(t, "msgsnd", MsgsndNowait(queue, msg, 0)) }
	receive := func(buf []byte, flags int) func() {
		return func() {
			_, errno := MsgrcvNowait(queue, buf, 0, flags)
			noError(t, "msgrcv", errno)
		}
	}
	var shm int
	var at uintptr
	create := func() {
		id, errno := Shmget(IPC_PRIVATE, segment, 0o600)
		noError(t, "shmget", errno)
		p, errno := Shmat(id, 0, 0)
		noError(t, "shmat", errno)
		// The kernel keeps all bytes of the segment mapped at p until shmdt.
		b := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), segment)
		for i := 0; i < segment; i += os.Getpagesize() {
			b[i] = 1
		}
		shm, at = id, p
	}
	nothing := func() {}
	for _, c := range []struct {
		name                string
		before, call, after func()
	}{
		{"msgsnd", nothing, send, receive(msg, 0)},
		{"msgrcv", send, receive(msg, 0), nothing},
		{"msgrcv MSG_NOERROR", send, receive(msg[:100], MSG_NOERROR), nothing},
		{"msgrcv MSG_COPY", send, receive(msg, MSG_COPY), receive(msg, 0)},
		{"msgctl IPC_RMID", send, func() { noError(t, "rmid", MsgctlRmid(queue)) }, func() { queue = newQueue(t) }},
		{
			"shmdt of what is removed",
			func() { create(); noError(t, "rmid", Shmctl(shm, IPC_RMID)) },
			func() { noError(t, "shmdt", Shmdt(at)) }, nothing,
		},
		{
			"shmctl IPC_RMID",
			func() { create(); noError(t, "shmdt", Shmdt(at)) },
			func() { noError(t, "rmid", Shmctl(shm, IPC_RMID)) }, nothing,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 20 { // the runtime takes a while to notice that a call takes long
				c.before()
				others := ipctest.Meanwhile(c.call)
				c.after()
				if others > 100 { // and not one turn, when the call was over
					return
				}
			}
			t.Error("no other goroutine gets the processor meanwhile")
		})
	}
}
