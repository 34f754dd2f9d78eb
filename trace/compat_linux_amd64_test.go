package trace

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// narrowCode makes a call as 32-bit programs do, by int 0x80: it gets the address of the number and six arguments, and
// leaves the result where the number was.
var narrowCode = []byte{
	0x55, 0x50, 0x49, 0x89, 0xc4, // push rbp; push rax; mov r12, rax
	0x41, 0x8b, 0x5c, 0x24, 4, 0x41, 0x8b, 0x4c, 0x24, 8, 0x41, 0x8b, 0x54, 0x24, 12, // ebx, ecx, edx
	0x41, 0x8b, 0x74, 0x24, 16, 0x41, 0x8b, 0x7c, 0x24, 20, 0x41, 0x8b, 0x6c, 0x24, 24, // esi, edi, ebp
	0x41, 0x8b, 0x04, 0x24, 0xcd, 0x80, 0x41, 0x89, 0x04, 0x24, // mov eax, [r12]; int 0x80; mov [r12], eax
	0x58, 0x5d, 0xc3, // pop rax; pop rbp; ret
}

// narrow makes calls with the numbers of 32-bit programs: directly, and by ipc(2).
var narrow = ipctest.Register("narrow", func(c *ipctest.ChildEnv) {
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	c.Check(err)
	copy(code, narrowCode)
	data, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_32BIT)
	c.Check(err)
	entry := &code[0]
	function := unsafe.Pointer(&entry)
	run := *(*func(*[7]int32))(unsafe.Pointer(&function))
	call32 := func(args ...int32) int32 {
		var a [7]int32
		copy(a[:], args)
		run(&a)
		return a[0]
	}
	*(*sembuf)(unsafe.Pointer(&data[0])) = sembuf{0, 1, 0}
	*(*sembuf)(unsafe.Pointer(&data[8])) = sembuf{0, -100, nowait}
	low := int32(uintptr(unsafe.Pointer(&data[0])))
	c.Listen()
	const ipc, semget, semctl = 117, 393, 394
	set := call32(semget, 0, 1, 0o600)
	queue := call32(ipc, 13, 0, 0o600)
	segment := call32(ipc, 23, 0, 4096, 0o600)
	for range 10 {
		call32(ipc, 1, set, 1, 0, low)
	}
	call32(ipc, 1, set, 1, 0, low+8) // EAGAIN
	const setVal = 16
	*(*int32)(unsafe.Pointer(&data[96])) = 7
	call32(ipc, 3, set, 0, setVal, low+96)
	call32(ipc, 1, set, 1, 0, low)
	c.Say("has 8: %d", set)
	c.Listen()
	*(*int32)(unsafe.Pointer(&data[16])) = 5
	call32(ipc, 11, queue, 4, 0, low+16)
	call32(ipc, 1<<16|12, queue, 4, 0, low+16, 5)
	call32(ipc, 21, segment, 0, low+64, 0)
	call32(398, *(*int32)(unsafe.Pointer(&data[64])))
	call32(ipc, 21, segment, 0, low+64, 0)
	call32(ipc, 22, 0, 0, 0, *(*int32)(unsafe.Pointer(&data[64])))
	call32(396, segment, ipcRMID, 0)
	call32(402, queue, ipcRMID, 0)
	call32(semctl, set, 0, ipcRMID, 0)
	c.Say("%d %d %d", set, queue, segment)
})

// Calls of 32-bit programs are counted like the others.
func TestCompat(t *testing.T) {
	t.Parallel()
	tr := start0(t, &Options{Holders: ipctest.FirstPIDNamespace()})
	p := ipctest.Start(t, narrow, nil)
	p.Tell("go")
	var set, queue, segment int
	line, ok := <-p.Lines()
	if !ok {
		err := p.Wait()
		if strings.Contains(p.Stderr(), "SIGSEGV") || strings.Contains(fmt.Sprint(err), "segmentation") {
			t.Skip("needs a kernel that runs 32-bit programs (CONFIG_IA32_EMULATION): ", err)
		}
		t.Fatal(err, p.Stderr())
	}
	if _, err := fmt.Sscanf(line, "has 8: %d", &set); err != nil {
		t.Fatal(err)
	}
	if tr.maps.takers != nil {
		a, err := tr.readAccount()
		if err != nil {
			t.Fatal(err)
		}
		if row := a.semaphores[semaphoreName{id: uint32(set)}]; row == nil || row.base != 7 || row.value() != 8 {
			t.Errorf("the account of the set is %+v, want 7 and 1", row)
		}
	}
	p.Tell("go on")
	if _, err := fmt.Sscan(p.Line(), &set, &queue, &segment); err != nil {
		t.Fatal(err)
	}
	p.Finish()
	sum, err := tr.Read()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, c := range sum.Calls {
		if !ipctest.FirstPIDNamespace() || c.PID == p.PID {
			got[fmt.Sprint(c.Ref(), " ", c.Op, c.CommandName(), " ", c.Result())] += c.Count
		}
	}
	for want, n := range map[string]uint64{
		fmt.Sprintf("sem:%d semget ok", set): 1, fmt.Sprintf("msg:%d msgget ok", queue): 1, fmt.Sprintf("shm:%d shmget ok", segment): 1,
		fmt.Sprintf("sem:%d semop ok", set): 11, fmt.Sprintf("sem:%d semctlSETVAL ok", set): 1, fmt.Sprintf("sem:%d semop EAGAIN", set): 1,
		fmt.Sprintf("msg:%d msgsnd ok", queue): 1, fmt.Sprintf("msg:%d msgrcv ok", queue): 1,
		fmt.Sprintf("shm:%d shmat ok", segment): 2, fmt.Sprintf("shm:%d shmdt ok", segment): 2,
		fmt.Sprintf("shm:%d shmctlIPC_RMID ok", segment): 1, fmt.Sprintf("msg:%d msgctlIPC_RMID ok", queue): 1, fmt.Sprintf("sem:%d semctlIPC_RMID ok", set): 1,
	} {
		if got[want] != n {
			t.Errorf("%s: %d, want %d; all: %v", want, got[want], n, got)
		}
	}
}
