//go:build amd64 || arm64

package trace

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The value of a row.
const (
	rowCount   = 0
	rowTotal   = 8
	rowMax     = 16
	rowUntimed = 24
	rowLatency = 32
	rowSize    = rowLatency + 8*Buckets
)

// count adds the call on the stack to its row. It changes r0 to r5.
func (p *program) count() {
	found, lost, timed, done := p.label(), p.label(), p.label(), p.label()
	row := func(m *ebpf.Map) {
		p.mapFD(asm.R1, m)
		p.stack(asm.R2, stackKey)
	}
	p.call(asm.FnGetSmpProcessorId)
	p.store(asm.RFP, stackKey+keyProcessor, asm.R0, asm.Word)
	row(p.maps.rows)
	p.call(asm.FnMapLookupElem)
	p.jumpIf(asm.R0, asm.JNE, 0, found)
	p.mapFD(asm.R1, p.maps.empty)
	p.set(asm.RFP, stackZero, 0, asm.DWord)
	p.stack(asm.R2, stackZero)
	p.call(asm.FnMapLookupElem)
	p.jumpIf(asm.R0, asm.JEq, 0, lost)
	p.copy(asm.R3, asm.R0)
	row(p.maps.rows)
	p.mov(asm.R4, 1) // BPF_NOEXIST
	p.call(asm.FnMapUpdateElem)
	row(p.maps.rows)
	p.call(asm.FnMapLookupElem)
	p.jumpIf(asm.R0, asm.JNE, 0, found)
	p.here(lost)
	p.lose(lostCalls)
	p.jump(done)

	p.here(found)
	p.increment(asm.R0, rowCount)
	p.load(asm.R1, asm.RFP, stackTook, asm.DWord)
	p.jumpIf(asm.R1, asm.JSGE, 0, timed)
	p.increment(asm.R0, rowUntimed)
	p.jump(done)
	p.here(timed)
	p.load(asm.R2, asm.R0, rowTotal, asm.DWord)
	p.add(asm.Add.Reg(asm.R2, asm.R1))
	p.store(asm.R0, rowTotal, asm.R2, asm.DWord)
	less := p.label()
	p.load(asm.R2, asm.R0, rowMax, asm.DWord)
	p.add(asm.JLE.Reg(asm.R1, asm.R2, less))
	p.store(asm.R0, rowMax, asm.R1, asm.DWord)
	p.here(less)
	// The bucket is the logarithm to base 2.
	small := p.label()
	p.add(asm.RSh.Imm(asm.R1, firstShift))
	p.add(asm.LoadImm(asm.R2, 1<<32-1, asm.DWord), asm.JLE.Reg(asm.R1, asm.R2, small))
	p.copy(asm.R1, asm.R2)
	p.here(small)
	p.mov(asm.R2, 0)
	for _, n := range []int32{16, 8, 4, 2, 1} {
		// Without branches, each of which would double the paths for the verifier: r3 is n where r1 has a higher bit, else 0.
		p.mov(asm.R3, 1<<n-1)
		p.add(asm.Sub.Reg(asm.R3, asm.R1), asm.RSh.Imm(asm.R3, 63), asm.Mul.Imm(asm.R3, n))
		p.add(asm.RSh.Reg(asm.R1, asm.R3), asm.Add.Reg(asm.R2, asm.R3))
	}
	p.add(asm.And.Imm(asm.R2, Buckets-1), asm.LSh.Imm(asm.R2, 3), asm.Add.Reg(asm.R0, asm.R2))
	p.increment(asm.R0, rowLatency)
	p.here(done)
}

// What is lost.
const (
	lostCalls = iota
	lostEvents
	lostKinds
)

// lose counts what is lost.
func (p *program) lose(what int32) {
	known := p.label()
	p.mapFD(asm.R1, p.maps.lost)
	p.set(asm.RFP, stackZero, what, asm.DWord)
	p.stack(asm.R2, stackZero)
	p.call(asm.FnMapLookupElem)
	p.jumpIf(asm.R0, asm.JEq, 0, known)
	p.increment(asm.R0, 0)
	p.here(known)
}
