package cli

import "syscall"

// errRemovedWaiting is the kernel's answer to waiters on an object that was
// removed. Later callers get EINVAL.
const errRemovedWaiting = syscall.EIDRM
