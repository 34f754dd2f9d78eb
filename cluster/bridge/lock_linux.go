package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// lockLocal is the lock of those that send the same messages of a kernel's queue, whatever REF
// and journal they have: an abstract socket, named by the IPC namespace and the queue's ID, which
// ends with its process. It is nil if another one has it.
func lockLocal(id int, what string) (unlock func(), err error) {
	namespace, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", fmt.Sprintf("@sysvipc bridge %s msg:%d %s", namespace, id, what))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return func() { l.Close() }, nil
}
