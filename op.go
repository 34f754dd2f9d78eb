package sysvipc

import (
	"fmt"
	"math"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Op is one operation of [SemaphoreSet.Do]: struct sembuf of semop(2). Make it with
// [Add] or [WaitZero].
type Op struct {
	index int
	delta int
	undo  bool
}

// Add adds delta to the semaphore with this index. A negative delta waits until the
// value is large enough: -1 is the classic P, wait, or acquire; +1 is V, post, or
// release. Delta 0 is [WaitZero], as in semop(2).
func Add(index, delta int) Op { return Op{index: index, delta: delta} }

// WaitZero waits until the semaphore with this index is 0, and changes nothing.
func WaitZero(index int) Op { return Op{index: index} }

// Undo has the kernel take the operation back when this process ends, in whatever
// way (SEM_UNDO). Take and give must both carry it: the kernel keeps the sum per
// process and semaphore, and refuses one beyond 32,767 (ERANGE).
//
// It belongs to the process, not to a goroutine or thread, lives on through
// execve(2), is not inherited by fork(2), and is forgotten by [Semaphore.SetValue]
// and [SemaphoreSet.SetValues].
func (o Op) Undo() Op {
	o.undo = true
	return o
}

// String shows the operation as the command takes it: "0=0", "1+1", "2-1:undo".
func (o Op) String() string {
	s := fmt.Sprintf("%d%+d", o.index, o.delta)
	if o.delta == 0 {
		s = fmt.Sprintf("%d=0", o.index)
	}
	if o.undo {
		s += ":undo"
	}
	return s
}

// sembuf returns the operation in the kernel's form, with IPC_NOWAIT, or false if it has
// none.
func (o Op) sembuf() (b sysv.Sembuf, ok bool) {
	b = sysv.Sembuf{Num: uint16(o.index), Op: int16(o.delta), Flg: sysv.IPC_NOWAIT}
	if o.undo {
		b.Flg |= sysv.SEM_UNDO
	}
	return b, int(b.Num) == o.index && int(b.Op) == o.delta && o.delta != math.MinInt16
}
