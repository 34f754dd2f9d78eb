//go:build amd64 || arm64

package trace

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// The account of semaphores: for each set when it began, for each semaphore with which value, and for each process that
// operated on it the sum of what it added. A row counts only as long as its epoch is that of what stands above it, so that
// SETVAL, SETALL and a removal begin another account without a walk through the rows.
const (
	setBegan = 0 // by the monotonic clock
	setFlags = 8
	setLen   = 16 // how many semaphores it has, as far as semget(2) has said so
	setSize  = 24

	semEpoch  = 0
	semOps    = 8  // how many operations have changed it
	semBase   = 16 // its value before these
	semFlags  = 24
	semSize   = 32
	semKeyLen = 8 // ID, index

	takerEpoch   = 0
	takerPlain   = 8  // what it added by operations without SEM_UNDO
	takerUndo    = 16 // and by those with it, which the kernel takes back when the process ends
	takerInitial = 24 // by the operation that gave a new semaphore its value
	takerLast    = 32 // when it last operated on it
	takerComm    = 40
	takerSize    = takerComm + 16
	takerKeyLen  = 24 // ID, index, PID, 0; when the process started
)

// The flags of sets and semaphores.
const (
	accountPartial = 1 // what happened before is not known
	accountBroken  = 2 // an operation is missing
	accountZero    = 4 // processes wait for zero
)

const (
	setRows   = 1 << 15
	semRows   = 1 << 16
	takerRows = 1 << 17
)

// What the function for each operation is given: a place on the stack of the program that calls it.
const (
	opsWhat    = 0 // doOperate, …
	opsAddress = 8 // of the operations, or the values
	opsNow     = 16
	opsBegan   = 24
	opsFlags   = 32
	opsID      = 40 // and, in the other half, the PID
	opsPID     = 44
	opsStarted = 48
	opsIndex   = 56 // of SETVAL
	opsValue   = 64
	opsBroken  = 72
	opsSize    = 80
	stackOps   = stackAttach - opsSize
)

const (
	doOperate = iota
	doSetAll
	doSetValue
)

// The commands of semctl(2) that change values.
const semSetVal, semSetAll = 16, 17

// account adds a call that was done to the account. It keeps r6 to r9.
func (p *program) account() {
	done, lost, operate, control, made, known, each := p.label(), p.label(), p.label(), p.label(), p.label(), p.label(), p.label()
	p.load(asm.R1, asm.RFP, stackKey+keyErrno, asm.Word)
	p.jumpIf(asm.R1, asm.JNE, 0, done)
	p.load(asm.R1, asm.RFP, stackOp, asm.DWord)
	p.jumpIf(asm.R1, asm.JGT, int32(Semctl), done)
	for _, at := range []int16{opsWhat, opsIndex, opsValue, opsBroken} {
		p.set(asm.RFP, stackOps+at, 0, asm.DWord)
	}
	p.load(asm.R2, asm.RFP, stackKey+keyID, asm.Word)
	p.store(asm.RFP, stackOps+opsID, asm.R2, asm.Word)
	p.jumpIf(asm.R1, asm.JNE, int32(Semctl), operate)

	p.load(asm.R1, asm.RFP, stackKey+keyCommand, asm.Half)
	p.jumpIf(asm.R1, asm.JEq, semSetVal, control)
	p.jumpIf(asm.R1, asm.JEq, semSetAll, control)
	p.jumpIf(asm.R1, asm.JNE, ipcRMID, done)
	p.mapFD(asm.R1, p.maps.sets)
	p.stack(asm.R2, stackOps+opsID)
	p.call(asm.FnMapDeleteElem)
	p.jump(done)

	// The fourth argument of semctl(2) is a union, and that of ipc(2) its address.
	p.here(control)
	p.set(asm.RFP, stackOps+opsWhat, doSetAll, asm.DWord)
	p.load(asm.R2, asm.RFP, stackArgs+8, asm.DWord)
	p.store(asm.RFP, stackOps+opsIndex, asm.R2, asm.DWord)
	p.load(asm.R3, asm.RFP, stackArgs+24, asm.DWord)
	p.store(asm.RFP, stackOps+opsValue, asm.R3, asm.DWord)
	native := p.label()
	p.call(asm.FnGetCurrentTaskBtf)
	p.load(asm.R1, asm.R0, p.task.compat.at, p.task.compat.size)
	p.add(asm.And.Imm(asm.R1, compatMask))
	p.jumpIf(asm.R1, asm.JEq, 0, native)
	p.load(asm.R1, asm.R7, p.regs.number.at, p.regs.number.size)
	p.jumpIf(asm.R1, asm.JNE, ipcNumber, native)
	p.set(asm.RFP, stackOps+opsValue, 0, asm.DWord)
	p.stack(asm.R1, stackOps+opsValue)
	p.mov(asm.R2, 4)
	p.load(asm.R3, asm.RFP, stackArgs+24, asm.DWord)
	p.call(asm.FnProbeReadUser)
	p.jumpIf(asm.R0, asm.JEq, 0, native)
	p.set(asm.RFP, stackOps+opsBroken, 1, asm.DWord)
	p.here(native)
	p.load(asm.R1, asm.RFP, stackOps+opsValue, asm.DWord)
	p.store(asm.RFP, stackOps+opsAddress, asm.R1, asm.DWord)
	p.load(asm.R1, asm.RFP, stackKey+keyCommand, asm.Half)
	p.jumpIf(asm.R1, asm.JEq, semSetAll, made)
	p.set(asm.RFP, stackOps+opsWhat, doSetValue, asm.DWord)
	p.jump(made)

	p.here(operate)
	p.load(asm.R1, asm.RFP, stackArgs+8, asm.DWord)
	p.store(asm.RFP, stackOps+opsAddress, asm.R1, asm.DWord)

	// The row of the set.
	p.here(made)
	p.call(asm.FnKtimeGetNs)
	p.store(asm.RFP, stackOps+opsNow, asm.R0, asm.DWord)
	row := func() {
		p.mapFD(asm.R1, p.maps.sets)
		p.stack(asm.R2, stackOps+opsID)
		p.call(asm.FnMapLookupElem)
	}
	row()
	p.jumpIf(asm.R0, asm.JNE, 0, known)
	p.accountKnown()
	p.jumpIf(asm.R0, asm.JEq, 0, done)
	p.load(asm.R1, asm.R0, 0, asm.DWord)
	p.add(asm.Xor.Imm(asm.R1, accountPartial))
	// A row to begin with lies where the function's arguments are, which are not there yet: but for the set's ID.
	p.store(asm.RFP, stackOps+opsFlags, asm.R1, asm.DWord)
	p.load(asm.R1, asm.RFP, stackOps+opsNow, asm.DWord)
	p.store(asm.RFP, stackOps+opsBegan, asm.R1, asm.DWord)
	p.load(asm.R1, asm.RFP, stackOps+opsID, asm.Word)
	p.store(asm.RFP, stackZero, asm.R1, asm.Word)
	p.set(asm.RFP, stackOps+opsID, 0, asm.DWord) // the length
	p.mapFD(asm.R1, p.maps.sets)
	p.stack(asm.R2, stackZero)
	p.stack(asm.R3, stackOps+opsBegan)
	p.mov(asm.R4, 1) // BPF_NOEXIST
	p.call(asm.FnMapUpdateElem)
	p.load(asm.R1, asm.RFP, stackZero, asm.Word)
	p.store(asm.RFP, stackOps+opsID, asm.R1, asm.Word)
	row()
	p.jumpIf(asm.R0, asm.JEq, 0, lost)
	p.here(known)
	for from, to := range map[int16]int16{setBegan: opsBegan, setFlags: opsFlags} {
		p.load(asm.R1, asm.R0, from, asm.DWord)
		p.store(asm.RFP, stackOps+to, asm.R1, asm.DWord)
	}

	// How many there are to do.
	p.load(asm.R1, asm.RFP, stackOp, asm.DWord)
	setAll := p.label()
	p.load(asm.R2, asm.RFP, stackArgs+16, asm.Word)
	p.jumpIf(asm.R1, asm.JEq, int32(Semop), each)
	p.jumpIf(asm.R1, asm.JEq, int32(Semtimedop), each)
	p.load(asm.R2, asm.RFP, stackArgs+8, asm.Word)
	p.load(asm.R3, asm.R0, setLen, asm.DWord)
	p.jumpIf(asm.R1, asm.JEq, int32(Semctl), setAll)
	p.add(asm.JLE.Reg(asm.R2, asm.R3, done))
	p.store(asm.R0, setLen, asm.R2, asm.DWord)
	p.jump(done)
	p.here(setAll)
	p.mov(asm.R2, 1)
	p.load(asm.R1, asm.RFP, stackOps+opsWhat, asm.DWord)
	p.jumpIf(asm.R1, asm.JEq, doSetValue, each)
	p.copy(asm.R2, asm.R3)
	p.jumpIf(asm.R2, asm.JNE, 0, each)
	p.set(asm.RFP, stackOps+opsBroken, 1, asm.DWord) // nobody has said how many values these are

	p.here(each)
	p.store(asm.RFP, stackAttach, asm.R2, asm.DWord)
	p.call(asm.FnGetCurrentTaskBtf)
	p.load(asm.R1, asm.R0, p.task.tgid.at, asm.Word)
	p.store(asm.RFP, stackOps+opsPID, asm.R1, asm.Word)
	p.load(asm.R1, asm.R0, p.task.leader.at, asm.DWord)
	p.load(asm.R1, asm.R1, p.task.started.at, asm.DWord)
	p.store(asm.RFP, stackOps+opsStarted, asm.R1, asm.DWord)
	p.load(asm.R1, asm.RFP, stackAttach, asm.DWord)
	function := asm.LoadImm(asm.R2, -1, asm.DWord).WithReference("operation")
	function.Src = asm.PseudoFunc
	p.add(function)
	p.stack(asm.R3, stackOps)
	p.mov(asm.R4, 0)
	p.call(asm.FnLoop)
	p.load(asm.R1, asm.RFP, stackOps+opsBroken, asm.DWord)
	p.jumpIf(asm.R1, asm.JEq, 0, done)
	row()
	p.jumpIf(asm.R0, asm.JEq, 0, done)
	p.load(asm.R1, asm.R0, setFlags, asm.DWord)
	p.add(asm.Or.Imm(asm.R1, accountBroken))
	p.store(asm.R0, setFlags, asm.R1, asm.DWord)
	p.jump(done)

	// Sets that come later may be this one.
	p.here(lost)
	p.accountKnown()
	p.jumpIf(asm.R0, asm.JEq, 0, done)
	p.set(asm.R0, 0, 0, asm.DWord)
	p.here(done)
}

// accountKnown sets r0 to the address of 1 if all sets that were there before the trace have rows, else of 0.
func (p *program) accountKnown() {
	p.set(asm.RFP, stackZero, 0, asm.DWord)
	p.mapFD(asm.R1, p.maps.known)
	p.stack(asm.R2, stackZero)
	p.call(asm.FnMapLookupElem)
}

// The stack of the function for one operation.
const (
	opStackOp  = -8 // index, delta and flags of the operation: 16 bits each
	opStackKey = opStackOp - takerKeyLen
	opStackRow = opStackKey - takerSize
)

// operation is the function that bpf_loop calls for each operation of semop(2), or each value of SETALL.
func (p *program) operation() asm.Instructions {
	b := builder{labels: 1 << 16} // none that the program has, too
	ctx, sem := asm.R6, asm.R8
	broken, values, operate, key, found, current, done := b.label(), b.label(), b.label(), b.label(), b.label(), b.label(), "done"
	b.copy(asm.R7, asm.R1)
	b.copy(ctx, asm.R2)
	read := func(size int32) {
		b.copy(asm.R3, asm.R7)
		b.add(asm.Mul.Imm(asm.R3, size))
		b.load(asm.R1, ctx, opsAddress, asm.DWord)
		b.add(asm.Add.Reg(asm.R3, asm.R1))
		b.stack(asm.R1, opStackOp)
		b.mov(asm.R2, size)
		b.call(asm.FnProbeReadUser)
		b.jumpIf(asm.R0, asm.JNE, 0, broken)
	}
	b.set(asm.RFP, opStackOp, 0, asm.DWord)
	b.load(asm.R1, ctx, opsWhat, asm.DWord)
	b.jumpIf(asm.R1, asm.JEq, doOperate, operate)
	b.jumpIf(asm.R1, asm.JEq, doSetAll, values)
	b.load(asm.R7, ctx, opsIndex, asm.DWord)
	b.jump(key)
	b.here(values)
	read(2)
	b.load(asm.R1, asm.RFP, opStackOp, asm.Half)
	b.store(ctx, opsValue, asm.R1, asm.DWord)
	b.jump(key)
	b.here(operate)
	read(sizeofOp)
	b.load(asm.R7, asm.RFP, opStackOp, asm.Half)

	// The row of the semaphore.
	b.here(key)
	b.load(asm.R1, ctx, opsID, asm.Word)
	b.store(asm.RFP, opStackKey, asm.R1, asm.Word)
	b.store(asm.RFP, opStackKey+4, asm.R7, asm.Word)
	row := func(m *ebpf.Map) {
		b.mapFD(asm.R1, m)
		b.stack(asm.R2, opStackKey)
		b.call(asm.FnMapLookupElem)
	}
	makeRow := func(m *ebpf.Map) {
		b.mapFD(asm.R1, m)
		b.stack(asm.R2, opStackKey)
		b.stack(asm.R3, opStackRow)
		b.mov(asm.R4, 1) // BPF_NOEXIST
		b.call(asm.FnMapUpdateElem)
		row(m)
		b.jumpIf(asm.R0, asm.JEq, 0, broken)
	}
	row(p.maps.semaphores)
	b.jumpIf(asm.R0, asm.JNE, 0, found)
	for at := int16(0); at < semSize; at += 8 {
		b.set(asm.RFP, opStackRow+at, 0, asm.DWord)
	}
	makeRow(p.maps.semaphores)
	b.here(found)
	b.copy(sem, asm.R0)
	b.load(asm.R1, ctx, opsWhat, asm.DWord)
	b.load(asm.R2, ctx, opsValue, asm.Half) // what else is in the union does not matter
	b.mov(asm.R3, 0)
	begin := b.label()
	b.jumpIf(asm.R1, asm.JNE, doOperate, begin)
	b.load(asm.R1, sem, semEpoch, asm.DWord)
	b.load(asm.R2, ctx, opsBegan, asm.DWord)
	b.add(asm.JGE.Reg(asm.R1, asm.R2, current))
	b.mov(asm.R2, 0)
	b.load(asm.R3, ctx, opsFlags, asm.DWord)
	b.add(asm.And.Imm(asm.R3, accountPartial))
	b.here(begin)
	b.load(asm.R1, ctx, opsNow, asm.DWord)
	b.store(sem, semEpoch, asm.R1, asm.DWord)
	b.store(sem, semBase, asm.R2, asm.DWord)
	b.store(sem, semFlags, asm.R3, asm.DWord)
	b.set(sem, semOps, 0, asm.DWord)
	b.load(asm.R1, ctx, opsWhat, asm.DWord)
	b.jumpIf(asm.R1, asm.JNE, doOperate, done)

	// An operation that waited for zero: not that of a creator, which wants a new semaphore to be so.
	b.here(current)
	changes, zero := b.label(), b.label()
	b.load(asm.R7, asm.RFP, opStackOp+2, asm.Half)
	b.add(asm.LSh.Imm(asm.R7, 48), asm.ArSh.Imm(asm.R7, 48))
	b.jumpIf(asm.R7, asm.JNE, 0, changes)
	b.load(asm.R1, asm.RFP, opStackOp+4, asm.Half)
	b.add(asm.And.Imm(asm.R1, flagUndo))
	b.jumpIf(asm.R1, asm.JNE, 0, zero)
	b.load(asm.R1, sem, semOps, asm.DWord)
	b.jumpIf(asm.R1, asm.JEq, 0, done)
	b.here(zero)
	b.load(asm.R1, sem, semFlags, asm.DWord)
	b.add(asm.Or.Imm(asm.R1, accountZero))
	b.store(sem, semFlags, asm.R1, asm.DWord)
	b.jump(done)

	// The row of the process.
	b.here(changes)
	b.load(asm.R1, ctx, opsPID, asm.Word)
	b.store(asm.RFP, opStackKey+8, asm.R1, asm.DWord)
	b.load(asm.R1, ctx, opsStarted, asm.DWord)
	b.store(asm.RFP, opStackKey+16, asm.R1, asm.DWord)
	have, same := b.label(), b.label()
	row(p.maps.takers)
	b.jumpIf(asm.R0, asm.JNE, 0, have)
	for at := int16(0); at < takerSize; at += 8 {
		b.set(asm.RFP, opStackRow+at, 0, asm.DWord)
	}
	makeRow(p.maps.takers)
	b.here(have)
	b.copy(asm.R9, asm.R0)
	b.load(asm.R1, sem, semEpoch, asm.DWord)
	b.load(asm.R2, asm.R9, takerEpoch, asm.DWord)
	b.add(asm.JEq.Reg(asm.R1, asm.R2, same))
	for _, at := range []int16{takerPlain, takerUndo, takerInitial} {
		b.set(asm.R9, at, 0, asm.DWord)
	}
	b.store(asm.R9, takerEpoch, asm.R1, asm.DWord)
	b.call(asm.FnGetCurrentTaskBtf)
	b.load(asm.R2, asm.R0, p.task.leader.at, asm.DWord)
	for at := int16(0); at < 16; at += 8 {
		b.load(asm.R1, asm.R2, p.task.comm.at+at, asm.DWord)
		b.store(asm.R9, takerComm+at, asm.R1, asm.DWord)
	}
	b.here(same)
	b.load(asm.R1, ctx, opsNow, asm.DWord)
	b.store(asm.R9, takerLast, asm.R1, asm.DWord)
	undo, plain, added := b.label(), b.label(), b.label()
	sum := func(at int16) {
		b.add(asm.AddAtomic.Mem(asm.R9, asm.R7, asm.DWord, at))
		b.jump(added)
	}
	b.load(asm.R1, asm.RFP, opStackOp+4, asm.Half)
	b.add(asm.And.Imm(asm.R1, flagUndo))
	b.jumpIf(asm.R1, asm.JNE, 0, undo)
	b.load(asm.R1, sem, semOps, asm.DWord)
	b.jumpIf(asm.R1, asm.JNE, 0, plain)
	b.load(asm.R1, sem, semBase, asm.DWord)
	b.jumpIf(asm.R1, asm.JNE, 0, plain)
	b.load(asm.R1, sem, semFlags, asm.DWord)
	b.jumpIf(asm.R1, asm.JNE, 0, plain)
	b.jumpIf(asm.R7, asm.JSLT, 0, plain)
	sum(takerInitial)
	b.here(plain)
	sum(takerPlain)
	b.here(undo)
	sum(takerUndo)
	b.here(added)
	b.mov(asm.R1, 1)
	b.add(asm.AddAtomic.Mem(sem, asm.R1, asm.DWord, semOps))
	b.jump(done)

	b.here(broken)
	b.set(ctx, opsBroken, 1, asm.DWord)
	b.add(asm.Mov.Imm(asm.R0, 1), asm.Return())
	b.exit(done)
	b.ins[0] = btf.WithFuncMetadata(b.ins[0].WithSymbol("operation"), &btf.Func{Name: "operation", Linkage: btf.StaticFunc, Type: &btf.FuncProto{
		Return: number, Params: []btf.FuncParam{
			{Name: "index", Type: &btf.Int{Name: "unsigned int", Size: 4}}, {Name: "ops", Type: &btf.Pointer{Target: &btf.Void{}}},
		},
	}})
	return b.ins
}
