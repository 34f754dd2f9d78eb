package shared

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newGuardian starts a thread that has a robust list, and parks it for ever.
func newGuardian() (*guardian, error) {
	page, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(robustHead{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("shared: memory for a robust list: %w", err)
	}
	// The page is never unmapped.
	head := (*robustHead)(unsafe.Pointer(unsafe.SliceData(page)))
	head.next = head.address()
	head.offset = int64(unsafe.Offsetof(node{}.word)) - int64(unsafe.Offsetof(node{}.next))
	g := &guardian{head: head}
	started := make(chan error)
	go func() {
		// Never unlocked: were this goroutine to end, its thread would end too.
		runtime.LockOSThread()
		_, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(unsafe.Pointer(head)), unsafe.Sizeof(*head), 0)
		if errno != 0 {
			runtime.UnlockOSThread()
			started <- fmt.Errorf("shared: set_robust_list: %w (a sandbox may forbid it)", errno)
			return
		}
		g.tid = uint32(unix.Gettid())
		started <- nil
		select {}
	}()
	return g, <-started
}
