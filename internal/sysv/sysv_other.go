//go:build !linux

package sysv

import (
	"syscall"
	"time"
)

// These systems lack the calls, or this package does not know theirs: all answer ENOSYS.

func Shmget(key int32, size uintptr, flags int) (id int, errno syscall.Errno) {
	return -1, syscall.ENOSYS
}
func Shmat(id int, addr uintptr, flags int) (uintptr, syscall.Errno) { return 0, syscall.ENOSYS }
func Shmdt(addr uintptr) syscall.Errno                               { return syscall.ENOSYS }
func Shmctl(id, cmd int) syscall.Errno                               { return syscall.ENOSYS }
func ShmctlSet(id int, uid, gid, mode uint32) syscall.Errno          { return syscall.ENOSYS }
func ShmctlIPCInfo() (Shminfo, int, syscall.Errno)                   { return Shminfo{}, -1, syscall.ENOSYS }

func ShmctlInfo() (ShmUse, int, syscall.Errno) { return ShmUse{}, -1, syscall.ENOSYS }

func ShmctlStat(id, cmd int) (ds ShmidDS, ret int, errno syscall.Errno) {
	return ShmidDS{}, -1, syscall.ENOSYS
}

func Semget(key int32, nsems, flags int) (int, syscall.Errno) { return -1, syscall.ENOSYS }

func Semop(id int, sops []Sembuf) syscall.Errno { return syscall.ENOSYS }

func SemopNowait(id int, sops []Sembuf) syscall.Errno { return syscall.ENOSYS }

func Semtimedop(id int, sops []Sembuf, timeout time.Duration) syscall.Errno { return syscall.ENOSYS }

func SemctlSet(id int, uid, gid, mode uint32) syscall.Errno { return syscall.ENOSYS }

func SemctlRmid(id int) syscall.Errno { return syscall.ENOSYS }

func SemctlGet(id, semnum, cmd int) (int, syscall.Errno) { return -1, syscall.ENOSYS }

func SemctlSetval(id, semnum, val int) syscall.Errno { return syscall.ENOSYS }

func SemctlGetall(id int, vals []uint16) syscall.Errno { return syscall.ENOSYS }

func SemctlSetall(id int, vals []uint16) syscall.Errno { return syscall.ENOSYS }

func SemctlInfo(cmd int) (Seminfo, int, syscall.Errno) { return Seminfo{}, -1, syscall.ENOSYS }

func SemctlStat(id, cmd int) (ds SemidDS, ret int, errno syscall.Errno) {
	return SemidDS{}, -1, syscall.ENOSYS
}

func Msgget(key int32, flags int) (int, syscall.Errno)                     { return -1, syscall.ENOSYS }
func Msgsnd(id int, msg []byte, flags int) syscall.Errno                   { return syscall.ENOSYS }
func MsgsndNowait(id int, msg []byte, flags int) syscall.Errno             { return syscall.ENOSYS }
func MsgctlSet(id int, uid, gid, mode uint32, qbytes uint64) syscall.Errno { return syscall.ENOSYS }
func MsgctlRmid(id int) syscall.Errno                                      { return syscall.ENOSYS }
func MsgctlInfo(cmd int) (Msginfo, int, syscall.Errno)                     { return Msginfo{}, -1, syscall.ENOSYS }

func Msgrcv(id int, msg []byte, typ int64, flags int) (n int, errno syscall.Errno) {
	return -1, syscall.ENOSYS
}

func MsgrcvNowait(id int, msg []byte, typ int64, flags int) (n int, errno syscall.Errno) {
	return -1, syscall.ENOSYS
}

func MsgctlStat(id, cmd int) (ds MsqidDS, ret int, errno syscall.Errno) {
	return MsqidDS{}, -1, syscall.ENOSYS
}

func Gettid() int                                      { return 0 }
func Tgkill(tid int, sig syscall.Signal) syscall.Errno { return syscall.ENOSYS }
