package sysvipc

import (
	"context"
	"fmt"
	"math"
	"slices"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Do makes all operations at once, or waits until that is possible: semop(2). It
// makes all or none. It fails with ErrRemoved if the set is removed, with the
// context's error if that ends first, and with ErrTooBig for an index that is not
// there, a value beyond 32,767, or more operations than [SemaphoreLimits] allow.
//
// A context that is done already stops it before it begins. Goroutines of this process
// that wait for the same go on in the order in which they came, save that the first five
// may change places. These wait in the kernel, which puts a thread that a signal has
// interrupted behind all others, those of other processes too.
func (s *SemaphoreSet) Do(ctx context.Context, ops ...Op) error {
	return s.do(ctx, "operate on", ops)
}

func (s *SemaphoreSet) do(ctx context.Context, op string, ops []Op) error {
	if ctx.Err() != nil {
		return s.cancelled(op, ctx)
	}
	var room [8]sysv.Sembuf
	sops, err := s.sembufs(op, room[:0], ops)
	if err != nil {
		return err
	}
	errno := syscall.EAGAIN
	if waiting.count.Load() == 0 || !waiting.queued(s.waitKey(sops)) {
		if !(s.next.waits() && mayWait(sops)) {
			errno = sysv.SemopNowait(s.ID(), sops)
		}
	}
	switch errno {
	case 0:
		return nil
	case syscall.EAGAIN:
		return s.wait(ctx, op, ops, sops)
	}
	return s.result(op, errno, ops)
}

// TryDo makes all operations at once if that is possible now, and reports whether it
// was.
func (s *SemaphoreSet) TryDo(ops ...Op) (bool, error) { return s.tryDo("operate on", ops) }

func (s *SemaphoreSet) tryDo(op string, ops []Op) (bool, error) {
	var room [8]sysv.Sembuf
	sops, err := s.sembufs(op, room[:0], ops)
	if err != nil {
		return false, err
	}
	switch errno := sysv.SemopNowait(s.ID(), sops); errno {
	case 0:
		return true, nil
	case syscall.EAGAIN:
		return false, nil
	default:
		return false, s.result(op, errno, ops)
	}
}

// sembufs writes ops to buf in the kernel's form, each with IPC_NOWAIT.
func (s *SemaphoreSet) sembufs(op string, buf []sysv.Sembuf, ops []Op) ([]sysv.Sembuf, error) {
	if len(ops) > cap(buf) {
		buf = make([]sysv.Sembuf, 0, len(ops))
	}
	for _, o := range ops {
		b, ok := o.sembuf()
		if !ok {
			return nil, s.checkOps(op, ops)
		}
		buf = append(buf, b)
	}
	if len(buf) == 0 {
		return nil, s.checkOps(op, ops)
	}
	return buf, nil
}

// checkOps says what is wrong with operations that the kernel has no form for.
func (s *SemaphoreSet) checkOps(op string, ops []Op) error {
	for i, o := range ops {
		if o.index < 0 || o.index > math.MaxUint16 {
			return s.refuse(op, outside(o.index, 0, syscall.EFBIG), "%s", s.wrongIndex(ops))
		}
		if _, ok := o.sembuf(); !ok {
			return s.refuse(op, syscall.ERANGE, "operation %d adds %d: a value has from 0 to 32767", i, o.delta)
		}
	}
	return s.refuse(op, syscall.EINVAL, "no operation is given")
}

// waitKey says what operations wait for.
func (s *SemaphoreSet) waitKey(sops []sysv.Sembuf) *waitKey {
	key := &waitKey{object: objectKey{s.kind, s.ID()}, call: 'o'}
	if n := copy(key.ops[:], sops); n < len(sops) {
		// A copy, since what is printed escapes to the heap: sops are to stay where they are.
		key.rest = fmt.Sprint(slices.Clone(sops[n:]))
	}
	return key
}

// mayWait reports whether one of the operations can have to wait.
func mayWait(sops []sysv.Sembuf) bool {
	for _, s := range sops {
		if s.Op <= 0 {
			return true
		}
	}
	return false
}

// wait waits for operations that were not possible at once. Sops carry IPC_NOWAIT, which
// is taken off for waiting in the kernel.
func (s *SemaphoreSet) wait(ctx context.Context, op string, ops []Op, sops []sysv.Sembuf) error {
	s.next.waited()
	var errno syscall.Errno
	var cancelled bool
	if waiting.beginDirect() {
		setNowait(sops, false)
		id := s.ID()
		errno, cancelled = block(ctx, func(bool) syscall.Errno { return sysv.Semop(id, sops) })
		errno = waiting.endDirect(errno)
	} else {
		errno, cancelled = s.waitQueued(ctx, sops)
	}
	if cancelled {
		return s.cancelled(op, ctx)
	}
	return s.result(op, errno, ops)
}

func (s *SemaphoreSet) waitQueued(ctx context.Context, sops []sysv.Sembuf) (syscall.Errno, bool) {
	id, own := s.ID(), slices.Clone(sops)
	return waiting.enqueue(ctx, s.waitKey(sops), func(block bool) syscall.Errno {
		setNowait(own, !block)
		if block {
			return sysv.Semop(id, own)
		}
		return sysv.SemopNowait(id, own)
	})
}

func setNowait(sops []sysv.Sembuf, on bool) {
	for i := range sops {
		if sops[i].Flg |= sysv.IPC_NOWAIT; !on {
			sops[i].Flg &^= sysv.IPC_NOWAIT
		}
	}
}

// result turns the kernel's answer to operations into an error.
func (s *SemaphoreSet) result(op string, errno syscall.Errno, ops []Op) error {
	hint := ""
	switch errno {
	case 0:
		return nil
	case syscall.EFBIG:
		hint = s.wrongIndex(ops)
	case syscall.ERANGE:
		hint = "a value would pass 32767, or the sum of what this process would undo"
	case syscall.E2BIG:
		hint = fmt.Sprintf("%d operations in one call", len(ops))
		if lim, err := ReadLimits(); err == nil {
			hint += fmt.Sprintf("; kernel.sem allows %d (SEMOPM)", lim.Semaphores.MaxOps)
		}
	case syscall.ENOSPC, syscall.ENOMEM:
		hint = "the kernel has no memory for undo records"
	}
	return s.fail(op, errno, hint)
}

// wrongIndex says which operation is on a semaphore that is not there.
func (s *SemaphoreSet) wrongIndex(ops []Op) string {
	st, err := s.Stat()
	for i, o := range ops {
		switch {
		case err == nil && (o.index < 0 || o.index >= st.Len):
			return fmt.Sprintf("operation %d is on semaphore %d: %s", i, o.index, s.indexes())
		case o.index > math.MaxUint16:
			return fmt.Sprintf("operation %d is on semaphore %d: operations reach indexes up to %d", i, o.index, math.MaxUint16)
		}
	}
	return s.indexes()
}
