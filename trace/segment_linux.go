//go:build amd64 || arm64

package trace

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

var number = &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}

// findSegment notes which segment lies where shmdt(2) detaches one: when it is done, nobody knows any more.
func (p *program) findSegment() {
	p.jumpIf(asm.R8, asm.JNE, int32(Shmdt), "exit")
	// The address is the first argument, or, of ipc(2), the fifth.
	native, known := p.label(), p.label()
	p.load(asm.R1, asm.R9, p.task.compat.at, p.task.compat.size)
	p.add(asm.And.Imm(asm.R1, compatMask))
	p.jumpIf(asm.R1, asm.JEq, 0, native)
	p.load(asm.R2, asm.R7, p.regs.compat[0].at, asm.DWord)
	p.load(asm.R1, asm.R7, p.regs.number.at, p.regs.number.size)
	p.jumpIf(asm.R1, asm.JNE, ipcNumber, known)
	p.load(asm.R2, asm.R7, p.regs.compat[4].at, asm.DWord)
	p.jump(known)
	p.here(native)
	p.load(asm.R2, asm.R7, p.regs.native[0].at, asm.DWord)
	p.here(known)
	p.store(asm.RFP, stackAttach+8, asm.R2, asm.DWord)
	p.load(asm.R1, asm.R9, p.task.tgid.at, asm.Word)
	p.store(asm.RFP, stackAttach, asm.R1, asm.DWord)
	p.set(asm.RFP, stackZero, -1, asm.DWord)
	p.copy(asm.R1, asm.R9)
	function := asm.LoadImm(asm.R3, -1, asm.DWord).WithReference("segment")
	function.Src = asm.PseudoFunc
	p.add(function)
	p.stack(asm.R4, stackZero)
	p.mov(asm.R5, 0)
	p.call(asm.FnFindVma)
	p.load(asm.R1, asm.RFP, stackZero, asm.DWord)
	p.store(asm.R6, threadSegment, asm.R1, asm.DWord)
	p.jumpIf(asm.R0, asm.JEq, 0, "exit")
	// Another thread changes the address space now. What the trace saw attached is known anyway.
	p.mapFD(asm.R1, p.maps.attaches)
	p.stack(asm.R2, stackAttach)
	p.call(asm.FnMapLookupElem)
	p.jumpIf(asm.R0, asm.JEq, 0, "exit")
	p.load(asm.R1, asm.R0, 0, asm.DWord)
	p.store(asm.R6, threadSegment, asm.R1, asm.DWord)
}

// attached notes where shmat(2) has attached which segment.
func (p *program) attached() {
	done := p.label()
	p.load(asm.R1, asm.RFP, stackOp, asm.DWord)
	p.jumpIf(asm.R1, asm.JNE, int32(Shmat), done)
	p.load(asm.R1, asm.RFP, stackKey+keyErrno, asm.Word)
	p.jumpIf(asm.R1, asm.JNE, 0, done)
	p.load(asm.R1, asm.RFP, stackKey+keyPID, asm.Word)
	p.store(asm.RFP, stackAttach, asm.R1, asm.DWord)
	p.store(asm.RFP, stackAttach+8, asm.R6, asm.DWord)
	p.load(asm.R1, asm.RFP, stackArgs, asm.DWord)
	p.store(asm.RFP, stackZero, asm.R1, asm.DWord)
	p.mapFD(asm.R1, p.maps.attaches)
	p.stack(asm.R2, stackAttach)
	p.stack(asm.R3, stackZero)
	p.mov(asm.R4, 0)
	p.call(asm.FnMapUpdateElem)
	p.here(done)
}

// segmentOf is the function that bpf_find_vma calls: the inode of a segment's file is its ID.
func (p *program) segmentOf() asm.Instructions {
	var b builder
	b.load(asm.R1, asm.R2, p.vmFile.at, asm.DWord)
	b.jumpIf(asm.R1, asm.JEq, 0, "found")
	b.load(asm.R1, asm.R1, p.inode.at, asm.DWord)
	b.load(asm.R1, asm.R1, p.inodeNumber.at, asm.DWord)
	b.store(asm.R3, 0, asm.R1, asm.DWord)
	b.exit("found")
	pointer := func(to string) btf.Type { return &btf.Pointer{Target: &btf.Fwd{Name: to}} }
	b.ins[0] = btf.WithFuncMetadata(b.ins[0].WithSymbol("segment"), &btf.Func{Name: "segment", Linkage: btf.StaticFunc, Type: &btf.FuncProto{
		Return: number, Params: []btf.FuncParam{
			{Name: "task", Type: pointer("task_struct")}, {Name: "vma", Type: pointer("vm_area_struct")}, {Name: "to", Type: &btf.Pointer{Target: number}},
		},
	}})
	return b.ins
}
