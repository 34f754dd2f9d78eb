//go:build amd64 || arm64

package trace

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// What a call number can stand for besides a call.
const (
	sigreturn Op = 254
	ipcCall   Op = 255 // ipc(2), whose first argument says which call it is

	ipcNumber = 117 // of ipc(2), on both ports
)

// ipcNumbers are the calls that ipc(2) makes.
var ipcNumbers = map[int32]Op{
	1: Semop, 2: Semget, 3: Semctl, 4: Semtimedop, 11: Msgsnd, 12: Msgrcv, 13: Msgget, 14: Msgctl, 21: Shmat, 22: Shmdt, 23: Shmget, 24: Shmctl,
}

// errRestart is ERESTARTNOHAND, which the kernel does not show to programs: either a handler runs and the call returns
// EINTR, or it is made again.
const (
	errRestart = 514
	errIntr    = 4
	maxErrno   = 4095
)

// The key of a row: what [Call] tells apart.
const (
	keyNamespace = 0
	keyID        = 4
	keyPID       = 8
	keyOp        = 12 // 16 bits, and 16 of the command
	keyCommand   = 14
	keyErrno     = 16
	keyProcessor = 20 // each has rows of its own: nobody else writes to them
	keyComm      = 24
	keySize      = 40
)

// What is remembered of a thread: when its call began, and a call that either is restarted, or returns EINTR when a handler
// has run.
const (
	threadBegan   = 0
	threadPending = 8
	threadTook    = 16
	threadStack   = 24
	threadSegment = 32 // the ID of the segment that shmdt(2) is about to detach, or -1
	threadKey     = 40
	threadSize    = threadKey + keySize
)

// The stack of the programs.
const (
	stackKey  = -keySize
	stackArgs = stackKey - 6*8
	stackTook = stackArgs - 8 // -1: not timed
	stackZero = stackTook - 8
	stackOp   = stackZero - 8

	stackAttach = stackOp - 16 // a process, and an address in it
)

// program is what both programs are made from.
type program struct {
	builder
	*layout
	maps *kernelMaps
	opts *Options
}

// begin sets r7 to the registers of the caller, r8 to the call and r9 to the task. Other calls leave.
func (p *program) begin(number func()) {
	p.copy(asm.R6, asm.R1)
	p.load(asm.R7, asm.R6, 0, asm.DWord)
	number()
	p.ranges()
	p.call(asm.FnGetCurrentTaskBtf)
	p.copy(asm.R9, asm.R0)
	native, done := p.label(), p.label()
	p.load(asm.R1, asm.R9, p.task.compat.at, p.task.compat.size)
	p.add(asm.And.Imm(asm.R1, compatMask))
	p.jumpIf(asm.R1, asm.JEq, 0, native)
	p.add(asm.Add.Imm(asm.R8, compatTable))
	p.here(native)
	p.choose()
	p.jumpIf(asm.R8, asm.JNE, int32(ipcCall), done)
	first := p.regs.compat[0]
	p.load(asm.R8, asm.R7, first.at, first.size)
	p.add(asm.And.Imm(asm.R8, 0xffff), asm.Add.Imm(asm.R8, ipcTable))
	p.choose()
	p.here(done)
	if p.opts.PID != 0 {
		p.load(asm.R1, asm.R9, p.task.tgid.at, p.task.tgid.size)
		p.jumpIf(asm.R1, asm.JNE, int32(p.opts.PID), "exit")
	}
	if len(p.opts.Cgroups) == 0 {
		return
	}
	inside := p.label()
	for i := range p.opts.Cgroups {
		p.mapFD(asm.R1, p.maps.cgroups)
		p.mov(asm.R2, int32(i))
		p.call(asm.FnCurrentTaskUnderCgroup)
		p.jumpIf(asm.R0, asm.JEq, 1, inside)
	}
	p.jump("exit")
	p.here(inside)
}

// ranges leaves for all numbers that are neither a call's nor one's of a 32-bit program.
func (p *program) ranges() {
	numbers := slices.Concat(sortedKeys(nativeNumbers), sortedKeys(compatNumbers))
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	ours := p.label()
	for i := 0; i < len(numbers); {
		least, most := numbers[i], numbers[i]
		for i++; i < len(numbers) && numbers[i] == most+1; i++ {
			most++
		}
		p.jumpIf(asm.R8, asm.JLT, least, "exit")
		p.jumpIf(asm.R8, asm.JLE, most, ours)
	}
	p.jump("exit")
	p.here(ours)
}

func sortedKeys(m map[int32]Op) (keys []int32) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// The table of calls by number: of this port, of 32-bit programs, and of ipc(2).
const (
	compatTable = 512
	ipcTable    = 1024
	tableSize   = ipcTable + 32
)

func fillTable(m *ebpf.Map) error {
	for from, numbers := range map[int32]map[int32]Op{0: nativeNumbers, compatTable: compatNumbers, ipcTable: ipcNumbers} {
		for n, op := range numbers {
			if err := m.Put(uint32(from+n), uint32(op)); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose sets r8 from an index of the table to the call that it stands for, and leaves with what is no call. A chain of
// comparisons would be as quick, but the verifier would go through all that follows for each call.
func (p *program) choose() {
	p.store(asm.RFP, stackZero, asm.R8, asm.DWord)
	p.mapFD(asm.R1, p.maps.table)
	p.stack(asm.R2, stackZero)
	p.call(asm.FnMapLookupElem)
	p.jumpIf(asm.R0, asm.JEq, 0, "exit")
	p.load(asm.R8, asm.R0, 0, asm.Word)
	p.jumpIf(asm.R8, asm.JEq, 0, "exit")
}

// enter is the program at sys_enter: it notes when a call begins.
func (p *program) enter(findSegment bool) asm.Instructions {
	p.begin(func() { p.load(asm.R8, asm.R6, 8, asm.DWord) })
	call, start, pending := p.label(), p.label(), p.label()
	p.jumpIf(asm.R8, asm.JNE, int32(sigreturn), call)

	// A handler returns: if it interrupted a call, that call returns EINTR.
	p.thread(0)
	p.jumpIf(asm.R0, asm.JEq, 0, "exit")
	p.copy(asm.R6, asm.R0)
	p.load(asm.R1, asm.R6, threadPending, asm.DWord)
	p.jumpIf(asm.R1, asm.JEq, 0, "exit")
	p.jump(pending)

	p.here(call)
	p.thread(1) // BPF_LOCAL_STORAGE_GET_F_CREATE
	p.jumpIf(asm.R0, asm.JEq, 0, "exit")
	p.copy(asm.R6, asm.R0)
	p.load(asm.R1, asm.R6, threadPending, asm.DWord)
	p.jumpIf(asm.R1, asm.JEq, 0, start)
	// The same call from the same place is made again by the kernel: it began when it first began.
	again := p.label()
	p.load(asm.R1, asm.R6, threadKey+keyOp, asm.Half)
	p.add(asm.JNE.Reg(asm.R1, asm.R8, pending))
	p.load(asm.R1, asm.R7, p.regs.sp.at, p.regs.sp.size)
	p.load(asm.R2, asm.R6, threadStack, asm.DWord)
	p.add(asm.JEq.Reg(asm.R1, asm.R2, again))

	// A handler that ended by longjmp(3), or has returned.
	p.here(pending)
	for at := int16(0); at < keySize; at += 8 {
		p.load(asm.R1, asm.R6, threadKey+at, asm.DWord)
		p.store(asm.RFP, stackKey+at, asm.R1, asm.DWord)
	}
	p.load(asm.R1, asm.R6, threadTook, asm.DWord)
	p.store(asm.RFP, stackTook, asm.R1, asm.DWord)
	p.count()
	p.set(asm.R6, threadPending, 0, asm.DWord)
	p.jumpIf(asm.R8, asm.JEq, int32(sigreturn), "exit")

	p.here(start)
	p.call(asm.FnKtimeGetNs)
	p.store(asm.R6, threadBegan, asm.R0, asm.DWord)
	p.set(asm.R6, threadSegment, -1, asm.DWord)
	if findSegment {
		p.findSegment()
	}
	p.jump("exit")
	p.here(again)
	p.set(asm.R6, threadPending, 0, asm.DWord)
	p.exit("exit")
	if !findSegment {
		return p.ins
	}
	p.named("enter")
	return append(p.ins, p.segmentOf()...)
}

// thread sets r0 to what is remembered of this thread, or to 0.
func (p *program) thread(flags int32) {
	p.mapFD(asm.R1, p.maps.threads)
	p.copy(asm.R2, asm.R9)
	p.mov(asm.R3, 0)
	p.mov(asm.R4, flags)
	p.call(asm.FnTaskStorageGet)
}

// leave is the program at sys_exit: it counts a call that ends.
func (p *program) leave() asm.Instructions {
	p.begin(func() { p.load(asm.R8, asm.R7, p.regs.number.at, p.regs.number.size) })
	p.jumpIf(asm.R8, asm.JEq, int32(sigreturn), "exit")
	p.load(asm.R1, asm.R9, p.task.nsproxy.at, asm.DWord)
	p.load(asm.R1, asm.R1, p.ipcNS.at, asm.DWord)
	p.load(asm.R1, asm.R1, p.inum.at, asm.Word)
	if p.opts.Namespace != AllNamespaces {
		p.add(asm.LoadImm(asm.R2, int64(p.opts.Namespace), asm.DWord), asm.JNE.Reg(asm.R1, asm.R2, "exit"))
	}
	p.store(asm.RFP, stackKey+keyNamespace, asm.R1, asm.Word)
	p.load(asm.R1, asm.R9, p.task.tgid.at, asm.Word)
	p.store(asm.RFP, stackKey+keyPID, asm.R1, asm.Word)
	p.load(asm.R2, asm.R9, p.task.leader.at, asm.DWord)
	for at := int16(0); at < 16; at += 8 {
		p.load(asm.R1, asm.R2, p.task.comm.at+at, asm.DWord)
		p.store(asm.RFP, stackKey+keyComm+at, asm.R1, asm.DWord)
	}
	p.store(asm.RFP, stackKey+keyOp, asm.R8, asm.Half)
	p.set(asm.RFP, stackKey+keyCommand, 0, asm.Half)
	p.set(asm.RFP, stackKey+keyProcessor, 0, asm.Word)
	p.arguments()
	p.took()
	p.result()
	p.object()
	p.attached()
	if p.opts.Holders {
		p.account()
	}
	if len(p.opts.Objects) > 0 {
		p.wanted()
	}
	if p.opts.Together {
		p.set(asm.RFP, stackKey+keyID, -1, asm.Word)
		p.set(asm.RFP, stackKey+keyPID, 0, asm.Word)
		p.set(asm.RFP, stackKey+keyComm, 0, asm.DWord)
		p.set(asm.RFP, stackKey+keyComm+8, 0, asm.DWord)
	}

	counted, settled := p.label(), p.label()
	p.load(asm.R1, asm.RFP, stackKey+keyErrno, asm.Word)
	p.jumpIf(asm.R1, asm.JNE, errRestart, counted)
	p.set(asm.RFP, stackKey+keyErrno, errIntr, asm.Word)
	p.jumpIf(asm.R9, asm.JEq, 0, counted) // its beginning was not seen: the second try, if there is one, will be
	p.load(asm.R1, asm.RFP, stackTook, asm.DWord)
	p.jumpIf(asm.R1, asm.JSLT, 0, counted)
	p.store(asm.R9, threadTook, asm.R1, asm.DWord)
	p.store(asm.R9, threadBegan, asm.R8, asm.DWord)
	p.set(asm.R9, threadPending, 1, asm.DWord)
	p.load(asm.R1, asm.R7, p.regs.sp.at, p.regs.sp.size)
	p.store(asm.R9, threadStack, asm.R1, asm.DWord)
	for at := int16(0); at < keySize; at += 8 {
		p.load(asm.R1, asm.RFP, stackKey+at, asm.DWord)
		p.store(asm.R9, threadKey+at, asm.R1, asm.DWord)
	}
	p.jump(settled)
	p.here(counted)
	p.count()
	p.here(settled)
	if p.opts.Events {
		p.event()
	}
	p.exit("exit")
	if !p.opts.Holders {
		return p.ins
	}
	p.named("leave")
	return append(p.ins, p.operation()...)
}

// named gives the program a type, which one with functions must have.
func (p *program) named(name string) {
	p.ins[0] = btf.WithFuncMetadata(p.ins[0].WithSymbol(name), &btf.Func{Name: name, Linkage: btf.GlobalFunc, Type: &btf.FuncProto{
		Return: number, Params: []btf.FuncParam{{Name: "ctx", Type: &btf.Pointer{Target: &btf.Void{}}}},
	}})
}

// took sets r9 to what is remembered of the thread, which may be 0, the stack to how long the call took, and forgets when
// it began, but for r8.
func (p *program) took() {
	p.store(asm.RFP, stackOp, asm.R8, asm.DWord)
	p.thread(0)
	p.copy(asm.R9, asm.R0)
	p.mov(asm.R8, 0)
	done := p.label()
	p.set(asm.RFP, stackTook, -1, asm.DWord)
	p.jumpIf(asm.R9, asm.JEq, 0, done)
	p.load(asm.R8, asm.R9, threadBegan, asm.DWord)
	p.jumpIf(asm.R8, asm.JEq, 0, done)
	p.set(asm.R9, threadBegan, 0, asm.DWord)
	p.call(asm.FnKtimeGetNs)
	p.add(asm.Sub.Reg(asm.R0, asm.R8))
	p.store(asm.RFP, stackTook, asm.R0, asm.DWord)
	p.here(done)
}
