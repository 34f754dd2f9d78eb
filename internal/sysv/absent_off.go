//go:build linux && !(sysv_oldkernel && (386 || mips || mipsle || ppc64 || ppc64le || s390x))

package sysv

const absent = 0
