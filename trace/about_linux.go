//go:build amd64 || arm64

package trace

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sysvipc/sysvipc"
)

// arguments puts the arguments of the call on the stack, where ipc(2) has them, too.
func (p *program) arguments() {
	put := func(i int, from field) {
		p.load(asm.R1, asm.R7, from.at, asm.DWord)
		p.store(asm.RFP, stackArgs+int16(8*i), asm.R1, asm.DWord)
	}
	compat, done := p.label(), p.label()
	p.load(asm.R1, asm.R9, p.task.compat.at, p.task.compat.size)
	p.add(asm.And.Imm(asm.R1, compatMask))
	p.jumpIf(asm.R1, asm.JNE, 0, compat)
	for i, f := range p.regs.native {
		put(i, f)
	}
	p.jump(done)
	p.here(compat)
	for i, f := range p.regs.compat {
		put(i, f)
	}
	p.load(asm.R1, asm.R7, p.regs.number.at, p.regs.number.size)
	p.jumpIf(asm.R1, asm.JNE, ipcNumber, done)
	// ipc(call, first, second, third, ptr, fifth)
	moved := map[Op][]int{ // which argument of ipc(2) is which one of the call
		Semop: {1, 4, 2}, Semtimedop: {1, 4, 2, 5}, Semget: {1, 2, 3}, Semctl: {1, 2, 3, 4}, Msgget: {1, 2}, Msgctl: {1, 2, 4},
		Msgsnd: {1, 4, 2, 3}, Msgrcv: {1, 4, 2, 5, 3}, Shmget: {1, 2, 3}, Shmctl: {1, 2, 4}, Shmat: {1, 4, 2}, Shmdt: {4},
	}
	for op := Semget; op <= Msgctl; op++ {
		next := p.label()
		p.jumpIf(asm.R8, asm.JNE, int32(op), next)
		for i, from := range moved[op] {
			put(i, p.regs.compat[from])
		}
		p.jump(done)
		p.here(next)
	}
	p.here(done)
}

// result sets r6 to what the call returned, and notes its error.
func (p *program) result() {
	failed, done, wide := p.label(), p.label(), p.label()
	p.load(asm.R6, asm.R6, 8, asm.DWord)
	p.call(asm.FnGetCurrentTaskBtf)
	p.load(asm.R1, asm.R0, p.task.compat.at, p.task.compat.size)
	p.add(asm.And.Imm(asm.R1, compatMask))
	p.jumpIf(asm.R1, asm.JEq, 0, wide)
	p.add(asm.LSh.Imm(asm.R6, 32), asm.ArSh.Imm(asm.R6, 32))
	p.here(wide)
	p.set(asm.RFP, stackKey+keyErrno, 0, asm.Word)
	p.jumpIf(asm.R6, asm.JSGE, 0, done)
	p.jumpIf(asm.R6, asm.JSGE, -maxErrno, failed)
	p.jump(done)
	p.here(failed)
	p.copy(asm.R1, asm.R6)
	p.add(asm.Neg.Imm(asm.R1, 0))
	p.store(asm.RFP, stackKey+keyErrno, asm.R1, asm.Word)
	p.here(done)
}

// object notes which object the call was about, and its command.
func (p *program) object() {
	done, none, returned := p.label(), p.label(), p.label()
	p.load(asm.R2, asm.RFP, stackOp, asm.DWord)
	// Most calls name it first.
	p.load(asm.R1, asm.RFP, stackArgs, asm.DWord)
	for _, op := range []Op{Semop, Semtimedop, Msgsnd, Msgrcv, Shmat} {
		p.jumpIf(asm.R2, asm.JEq, int32(op), done)
	}
	for _, op := range []Op{Semget, Shmget, Msgget} {
		p.jumpIf(asm.R2, asm.JEq, int32(op), returned)
	}
	for _, c := range []struct {
		op      Op
		command int16 // which argument
		info    int32
		stats   []int32
	}{
		{Semctl, 2, semInfo, []int32{semStat, semStatAny}},
		{Shmctl, 1, shmInfo, []int32{shmStat, shmStatAny}},
		{Msgctl, 1, msgInfo, []int32{msgStat, msgStatAny}},
	} {
		next := p.label()
		p.jumpIf(asm.R2, asm.JNE, int32(c.op), next)
		p.load(asm.R3, asm.RFP, stackArgs+8*c.command, asm.DWord)
		p.add(asm.And.Imm(asm.R3, 0xfeff)) // without IPC_64
		p.store(asm.RFP, stackKey+keyCommand, asm.R3, asm.Half)
		p.jumpIf(asm.R3, asm.JEq, ipcInfo, none)
		p.jumpIf(asm.R3, asm.JEq, c.info, none)
		for _, n := range c.stats {
			p.jumpIf(asm.R3, asm.JEq, n, returned)
		}
		p.jump(done)
		p.here(next)
	}
	// shmdt(2)
	p.jumpIf(asm.R9, asm.JEq, 0, none)
	p.jumpIf(asm.R6, asm.JNE, 0, none)
	p.load(asm.R1, asm.R9, threadSegment, asm.DWord)
	p.jump(done)
	p.here(returned)
	p.copy(asm.R1, asm.R6)
	p.jumpIf(asm.R6, asm.JSGE, 0, done)
	p.here(none)
	p.mov(asm.R1, -1)
	p.here(done)
	p.store(asm.RFP, stackKey+keyID, asm.R1, asm.Word)
}

// wanted leaves for calls about other objects than those that are asked for.
func (p *program) wanted() {
	yes := p.label()
	p.load(asm.R1, asm.RFP, stackKey+keyID, asm.Word)
	p.load(asm.R2, asm.RFP, stackOp, asm.DWord)
	for _, k := range []struct {
		kind        sysvipc.Kind
		least, most Op
	}{{sysvipc.KindSemaphores, Semget, Semctl}, {sysvipc.KindSegment, Shmget, Shmctl}, {sysvipc.KindQueue, Msgget, Msgctl}} {
		next := p.label()
		p.jumpIf(asm.R2, asm.JLT, int32(k.least), next)
		p.jumpIf(asm.R2, asm.JGT, int32(k.most), next)
		for _, o := range p.opts.Objects {
			if o.Kind == k.kind {
				p.jumpIf(asm.R1, asm.JEq, int32(o.ID), yes)
			}
		}
		p.jump("exit")
		p.here(next)
	}
	p.jump("exit")
	p.here(yes)
}
