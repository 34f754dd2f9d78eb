package cli

import "syscall"

// errRemovedWaiting is the kernel's answer to those who waited for an object that was
// removed. Those who come later get EINVAL.
const errRemovedWaiting = syscall.EIDRM
