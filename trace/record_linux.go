//go:build amd64 || arm64

package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/ringbuf"
)

// A call in the ring buffer.
const (
	recordEnd         = 0
	recordTook        = 8
	recordResult      = 16
	recordTID         = 24
	recordFlags       = 28 // 1: of a 32-bit program
	recordKey         = 32
	recordArgs        = recordKey + keySize
	recordTime        = recordArgs + 6*8 // the timeout of semtimedop(2), or the type of a message: two words
	recordOps         = recordTime + 16  // the operations of semop(2)
	recordSize        = recordOps + 6*shownOps
	sizeofOp          = 6
	shownOps          = 16
	recordOpsRead     = recordFlags + 2 // whether the operations, or the timeout or type, could be read: 16 bits
	readOps, readTime = 1, 2
)

// event puts the call on the stack into the ring buffer. r6 is its result.
func (p *program) event() {
	lost, done := p.label(), p.label()
	p.mapFD(asm.R1, p.maps.events)
	p.mov(asm.R2, recordSize)
	p.mov(asm.R3, 0)
	p.call(asm.FnRingbufReserve)
	p.jumpIf(asm.R0, asm.JEq, 0, lost)
	p.copy(asm.R8, asm.R0)
	p.store(asm.R8, recordResult, asm.R6, asm.DWord)
	p.call(asm.FnKtimeGetNs)
	p.store(asm.R8, recordEnd, asm.R0, asm.DWord)
	p.load(asm.R1, asm.RFP, stackTook, asm.DWord)
	p.store(asm.R8, recordTook, asm.R1, asm.DWord)
	p.call(asm.FnGetCurrentTaskBtf)
	p.load(asm.R1, asm.R0, p.task.pid.at, asm.Word)
	p.store(asm.R8, recordTID, asm.R1, asm.Word)
	p.load(asm.R1, asm.R0, p.task.compat.at, p.task.compat.size)
	p.add(asm.And.Imm(asm.R1, compatMask))
	narrow := p.label()
	p.set(asm.R8, recordFlags, 0, asm.Word)
	p.jumpIf(asm.R1, asm.JEq, 0, narrow)
	p.set(asm.R8, recordFlags, 1, asm.Half)
	p.here(narrow)
	for at := int16(0); at < keySize+6*8; at += 8 {
		from := stackKey + at
		if at >= keySize {
			from = stackArgs + at - keySize
		}
		p.load(asm.R1, asm.RFP, from, asm.DWord)
		p.store(asm.R8, recordKey+at, asm.R1, asm.DWord)
	}
	p.set(asm.R8, recordTime, 0, asm.DWord)
	p.set(asm.R8, recordTime+8, 0, asm.DWord)
	for at := int16(recordOps); at < recordSize; at += 8 {
		p.set(asm.R8, at, 0, asm.DWord)
	}

	submit, operations, timeout, message, second := p.label(), p.label(), p.label(), p.label(), p.label()
	p.load(asm.R2, asm.RFP, stackOp, asm.DWord)
	p.jumpIf(asm.R2, asm.JEq, int32(Semop), operations)
	p.jumpIf(asm.R2, asm.JEq, int32(Semtimedop), operations)
	p.jumpIf(asm.R2, asm.JEq, int32(Msgsnd), message)
	p.jumpIf(asm.R2, asm.JNE, int32(Msgrcv), submit)
	p.jumpIf(asm.R6, asm.JSLT, 0, submit)

	p.here(message)
	p.load(asm.R3, asm.RFP, stackArgs+8, asm.DWord)
	p.readUser(recordTime, 8, readTime)
	p.jump(submit)

	p.here(operations)
	p.load(asm.R3, asm.RFP, stackArgs+8, asm.DWord)
	p.load(asm.R2, asm.RFP, stackArgs+16, asm.DWord)
	few := p.label()
	p.jumpIf(asm.R2, asm.JLE, shownOps, few)
	p.mov(asm.R2, shownOps)
	p.here(few)
	p.add(asm.Mul.Imm(asm.R2, sizeofOp))
	p.readUser(recordOps, 0, readOps)
	p.load(asm.R2, asm.RFP, stackOp, asm.DWord)
	p.jumpIf(asm.R2, asm.JEq, int32(Semtimedop), timeout)
	p.jump(submit)
	p.here(timeout)
	p.load(asm.R3, asm.RFP, stackArgs+24, asm.DWord)
	p.jumpIf(asm.R3, asm.JEq, 0, second)
	p.readUser(recordTime, 16, readTime)
	p.here(second)

	p.here(submit)
	p.copy(asm.R1, asm.R8)
	p.mov(asm.R2, 0)
	p.call(asm.FnRingbufSubmit)
	p.jump(done)
	p.here(lost)
	p.lose(lostEvents)
	p.here(done)
}

// readUser reads size bytes at the address r3 of the program, or as many as r2 says if size is 0, and notes if it could.
// Nothing sleeps: the call itself has just used that memory.
func (p *program) readUser(to int16, size int32, mark int32) {
	failed := p.label()
	p.copy(asm.R1, asm.R8)
	p.add(asm.Add.Imm(asm.R1, int32(to)))
	if size > 0 {
		p.mov(asm.R2, size)
	}
	p.call(asm.FnProbeReadUser)
	p.jumpIf(asm.R0, asm.JNE, 0, failed)
	p.load(asm.R1, asm.R8, recordOpsRead, asm.Half)
	p.add(asm.Or.Imm(asm.R1, mark))
	p.store(asm.R8, recordOpsRead, asm.R1, asm.Half)
	p.here(failed)
}

// Next returns the next call that has ended; the trace was started with [Options.Events]. It waits for one until ctx ends,
// and then returns its error when no more are in the buffer; after [Trace.Close] it returns os.ErrClosed. Calls that end while the buffer of 16 MiB is full
// are counted in [Summary.LostEvents].
func (t *Trace) Next(ctx context.Context) (*Event, error) {
	if t.reader == nil {
		return nil, fmt.Errorf("trace: next event: the trace was started without Options.Events")
	}
	stop := context.AfterFunc(ctx, func() { t.reader.Flush() }) // an error says that it is closed, as Read does
	defer stop()
	if ctx.Err() != nil {
		t.reader.SetDeadline(time.Unix(1, 0))
		defer t.reader.SetDeadline(time.Time{})
	}
	record, err := t.reader.Read()
	for errors.Is(err, ringbuf.ErrFlushed) && ctx.Err() == nil { // that was an earlier context's
		record, err = t.reader.Read()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed):
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("trace: next event: %w", err)
	case len(record.RawSample) < recordSize:
		return nil, fmt.Errorf("trace: next event: it has %d bytes, not %d", len(record.RawSample), recordSize)
	}
	return t.eventOf(record.RawSample), nil
}

// Buffered is how many bytes of events are in the buffer: 0 means that [Trace.Next] would wait.
func (t *Trace) Buffered() int {
	if t.reader == nil {
		return 0
	}
	return t.reader.AvailableBytes()
}

// eventOf reads a record.
func (t *Trace) eventOf(b []byte) *Event {
	word := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	half := func(at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
	c := callOf(b[recordKey:])
	e := &Event{
		Object: c.Object, Process: c.Process, Op: c.Op, Command: c.Command, TID: int(binary.NativeEndian.Uint32(b[recordTID:])),
		Result: int64(word(recordResult)), Took: time.Duration(word(recordTook)), Timeout: -1,
		Time: t.start.Add(time.Duration(word(recordEnd)) - t.clock),
	}
	for i := range e.Args {
		e.Args[i] = word(recordArgs + 8*i)
	}
	compat := half(recordFlags) != 0
	read := half(recordOpsRead)
	if read&readOps != 0 {
		for i := range min(int(e.Args[2]), shownOps) {
			at := recordOps + sizeofOp*i
			e.Ops = append(e.Ops, SemOp{int(half(at)), int(int16(half(at + 2))), int(half(at + 4))})
		}
	}
	if read&readTime == 0 {
		return e
	}
	e.known = true
	seconds, nanoseconds := word(recordTime), word(recordTime+8)
	if compat { // long is narrow there; semtimedop_time64 of 32-bit programs is shown by its address
		seconds, nanoseconds = uint64(int32(seconds)), uint64(uint32(seconds>>32))
	}
	switch e.Op {
	case Semtimedop:
		if !compat {
			e.Timeout = time.Duration(seconds)*time.Second + time.Duration(nanoseconds)
		}
	case Msgsnd, Msgrcv:
		e.Type = int64(seconds)
	}
	return e
}
