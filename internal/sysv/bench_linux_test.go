package sysv

import (
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// TestAllocs passes arrays on the stack: none may move to the heap.
func TestAllocs(t *testing.T) {
	set, queue := newSet(t, 1), newQueue(t)
	for name, f := range map[string]func() syscall.Errno{
		"Semop": func() syscall.Errno {
			sops := giveTake
			return Semop(set, sops[:])
		},
		"SemopNowait": func() syscall.Errno {
			sops := giveTake
			return SemopNowait(set, sops[:])
		},
		"Semtimedop": func() syscall.Errno {
			sops := giveTake
			return Semtimedop(set, sops[:], time.Hour)
		},
		"SemctlGetall": func() syscall.Errno {
			var vals [1]uint16
			return SemctlGetall(set, vals[:])
		},
		"SemctlSetall": func() syscall.Errno {
			var vals [1]uint16
			return SemctlSetall(set, vals[:])
		},
		"SemctlStat": func() syscall.Errno {
			_, _, errno := SemctlStat(set, IPC_STAT)
			return errno
		},
		"Msg": func() syscall.Errno {
			var msg [MtypeSize + 64]byte
			PutMtype(msg[:], 1)
			if errno := Msgsnd(queue, msg[:], 0); errno != 0 {
				return errno
			}
			_, errno := Msgrcv(queue, msg[:], 1, 0)
			return errno
		},
		"MsgNowait": func() syscall.Errno {
			var msg [MtypeSize + 64]byte
			PutMtype(msg[:], 1)
			if errno := MsgsndNowait(queue, msg[:], 0); errno != 0 {
				return errno
			}
			_, errno := MsgrcvNowait(queue, msg[:], 1, 0)
			return errno
		},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if errno := f(); errno != 0 {
				t.Fatal(name, errno)
			}
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}

// giveTake changes nothing in the end.
var giveTake = [2]Sembuf{{Num: 0, Op: 1}, {Num: 0, Op: -1}}

// versus measures f and bare in turn, and reports the medians in ns and f's as a multiple of bare's.
func versus(b *testing.B, f, bare func() syscall.Errno) {
	const calls = 200
	measure := func(f func() syscall.Errno) float64 {
		start := time.Now()
		for range calls {
			if errno := f(); errno != 0 {
				b.Fatal(errno)
			}
		}
		return float64(time.Since(start).Nanoseconds()) / calls
	}
	fs, bares := make([]float64, 0, 1<<20), make([]float64, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(fs)%2 == 0 {
			fs, bares = append(fs, measure(f)), append(bares, measure(bare))
		} else {
			bares, fs = append(bares, measure(bare)), append(fs, measure(f))
		}
	}
	slices.Sort(fs)
	slices.Sort(bares)
	x, y := fs[len(fs)/2], bares[len(bares)/2]
	b.ReportMetric(0, "ns/op") // of 400 calls: of no use
	b.ReportMetric(x, "ns/call")
	b.ReportMetric(y, "ns/bare")
	b.ReportMetric(x/y, "x-bare")
}

// BenchmarkSemop compares a semop of two operations with the bare system call.
func BenchmarkSemop(b *testing.B) {
	id := newSet(b, 1)
	b.Run("Semop", func(b *testing.B) {
		versus(b, func() syscall.Errno {
			sops := giveTake
			return Semop(id, sops[:])
		}, func() syscall.Errno {
			sops := giveTake
			// sops is on the stack and stays there during the call.
			if sysSemop == 0 {
				_, _, errno := syscall.Syscall6(sysSemtimedop, uintptr(id), uintptr(unsafe.Pointer(&sops)), 2, 0, 0, 0)
				return errno
			}
			_, _, errno := syscall.Syscall(sysSemop, uintptr(id), uintptr(unsafe.Pointer(&sops)), 2)
			return errno
		})
	})
	b.Run("SemopNowait", func(b *testing.B) {
		versus(b, func() syscall.Errno {
			sops := giveTake
			return SemopNowait(id, sops[:])
		}, func() syscall.Errno {
			sops := giveTake
			// sops is on the stack and stays there during the call.
			if sysSemop == 0 {
				_, _, errno := syscall.Syscall6(sysSemtimedop, uintptr(id), uintptr(unsafe.Pointer(&sops)), 2, 0, 0, 0)
				return errno
			}
			_, _, errno := syscall.Syscall(sysSemop, uintptr(id), uintptr(unsafe.Pointer(&sops)), 2)
			return errno
		})
	})
}

// BenchmarkMsg compares sending and receiving 64 bytes with the bare system calls.
func BenchmarkMsg(b *testing.B) {
	id := newQueue(b)
	bare := func() syscall.Errno {
		var msg [MtypeSize + 64]byte
		PutMtype(msg[:], 1)
		// msg is on the stack and stays there during the calls.
		if _, _, errno := syscall.Syscall6(sysMsgsnd, uintptr(id), uintptr(unsafe.Pointer(&msg)), 64, 0, 0, 0); errno != 0 {
			return errno
		}
		_, _, errno := syscall.Syscall6(sysMsgrcv, uintptr(id), uintptr(unsafe.Pointer(&msg)), 64, 1, 0, 0)
		return errno
	}
	b.Run("Msg", func(b *testing.B) {
		versus(b, func() syscall.Errno {
			var msg [MtypeSize + 64]byte
			PutMtype(msg[:], 1)
			if errno := Msgsnd(id, msg[:], 0); errno != 0 {
				return errno
			}
			_, errno := Msgrcv(id, msg[:], 1, 0)
			return errno
		}, bare)
	})
	b.Run("MsgNowait", func(b *testing.B) {
		versus(b, func() syscall.Errno {
			var msg [MtypeSize + 64]byte
			PutMtype(msg[:], 1)
			if errno := MsgsndNowait(id, msg[:], 0); errno != 0 {
				return errno
			}
			_, errno := MsgrcvNowait(id, msg[:], 1, 0)
			return errno
		}, bare)
	})
}

// BenchmarkShmat compares attaching and detaching a page with the bare system calls.
func BenchmarkShmat(b *testing.B) {
	id := newSegment(b, 4096, 0)
	versus(b, func() syscall.Errno {
		p, errno := Shmat(id, 0, 0)
		if errno != 0 {
			return errno
		}
		return Shmdt(p)
	}, func() syscall.Errno {
		p, _, errno := syscall.Syscall(sysShmat, uintptr(id), 0, 0)
		if errno != 0 {
			return errno
		}
		_, _, errno = syscall.Syscall(sysShmdt, p, 0, 0)
		return errno
	})
}
