//go:build linux && sysv_oldkernel && (386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sysv

// The tag sysv_oldkernel is for tests: it moves the numbers of the separate calls to where no kernel has one,
// so that the calls are ENOSYS as they are before Linux 5.1.
const absent = 900
