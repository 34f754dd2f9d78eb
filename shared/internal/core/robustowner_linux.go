package core

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newRobustOwner starts a thread that has a robust list, and parks it for ever.
func newRobustOwner() (*RobustOwner, error) {
	page, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(robustHead{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("shared: memory for a robust list: %w", err)
	}
	// The page is never unmapped.
	head := (*robustHead)(unsafe.Pointer(unsafe.SliceData(page)))
	head.next = head.address()
	head.offset = int64(unsafe.Offsetof(Node{}.Word)) - int64(unsafe.Offsetof(Node{}.Next))
	g := &RobustOwner{head: head}
	started := make(chan error)
	go g.live(started)
	return g, <-started
}

// live is what the robust owner's thread does.
func (g *RobustOwner) live(started chan<- error) {
	// Never unlocked: were this goroutine to end, its thread would end too.
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// Not this one: the first thread of a process that was killed stays until its parent
		// has asked for it, and after exec its TID is that of another program.
		other := make(chan error)
		go g.live(other)
		err := <-other // on another thread, since this one is taken
		runtime.UnlockOSThread()
		started <- err
		return
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(unsafe.Pointer(g.head)), unsafe.Sizeof(*g.head), 0)
	if errno != 0 {
		runtime.UnlockOSThread()
		started <- fmt.Errorf("shared: set_robust_list: %w (a sandbox may forbid it)", errno)
		return
	}
	g.TID = uint32(unix.Gettid())
	started <- nil
	select {}
}
