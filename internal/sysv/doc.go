// Package sysv holds the kernel's own words for System V IPC: the eleven calls, their commands and
// flags, and the structs they fill. It has no policy: it wraps no error, retries nothing after EINTR,
// checks no length, and each function is one system call. See sysvipc(7).
//
// There are three kinds of names. The calls are called as in the manual ([Shmget], [Semtimedop],
// [Msgrcv]); where one call has several commands, there is a function for each shape of
// argument ([SemctlGetall], [ShmctlStat]). The flags and commands are spelled as in the kernel's
// headers ([IPC_CREAT], [SHM_STAT_ANY]). The structs ([ShmidDS], [SemidDS], [MsqidDS]) are neutral
// forms: the layout of the kernel's own differs from port to port, is private to this package, and is
// compared with the C headers by a test.
//
// Every call returns a [syscall.Errno], and 0 means success. Calls that may block ([Semop],
// [Semtimedop], [Msgsnd], [Msgrcv]) and those that may take long give their processor back to the Go
// scheduler; the others do not, since that costs more than the call. No argument escapes to the heap.
//
// Linux kernels before 5.1 lack the separate calls on 386, mips, ppc64 and s390x. There the package
// uses ipc(2) after the first ENOSYS. On systems other than Linux every call answers ENOSYS.
package sysv
