//go:build amd64 || arm64

package trace

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// builder writes a program. Its methods are the instructions that these programs are made of.
type builder struct {
	ins    asm.Instructions
	symbol string // of the next instruction
	labels int
}

func (b *builder) add(ins ...asm.Instruction) {
	if b.symbol != "" {
		ins[0] = ins[0].WithSymbol(b.symbol)
		b.symbol = ""
	}
	b.ins = append(b.ins, ins...)
}

// label returns a name for a place in the program.
func (b *builder) label() string {
	b.labels++
	return fmt.Sprintf("l%d", b.labels)
}

// here names the next instruction.
func (b *builder) here(label string) {
	if b.symbol != "" {
		b.add(asm.Ja.Label(label)) // an instruction has one name
	}
	b.symbol = label
}

func (b *builder) load(dst, src asm.Register, offset int16, size asm.Size) {
	b.add(asm.LoadMem(dst, src, offset, size))
}

func (b *builder) store(dst asm.Register, offset int16, src asm.Register, size asm.Size) {
	b.add(asm.StoreMem(dst, offset, src, size))
}

// set stores a constant. asm.StoreImm does not know that the kernel extends one of 32 bits to a double word.
func (b *builder) set(dst asm.Register, offset int16, value int32, size asm.Size) {
	b.add(asm.Instruction{OpCode: asm.StoreImmOp(asm.Word).SetSize(size), Dst: dst, Offset: offset, Constant: int64(value)})
}

func (b *builder) mov(dst asm.Register, value int32) { b.add(asm.Mov.Imm(dst, value)) }
func (b *builder) copy(dst, src asm.Register)        { b.add(asm.Mov.Reg(dst, src)) }
func (b *builder) stack(dst asm.Register, offset int16) {
	b.add(asm.Mov.Reg(dst, asm.RFP), asm.Add.Imm(dst, int32(offset)))
}
func (b *builder) jump(label string)                     { b.add(asm.Ja.Label(label)) }
func (b *builder) call(f asm.BuiltinFunc)                { b.add(f.Call()) }
func (b *builder) mapFD(dst asm.Register, m *ebpf.Map)   { b.add(asm.LoadMapPtr(dst, m.FD())) }
func (b *builder) exit(label string)                     { b.here(label); b.add(asm.Mov.Imm(asm.R0, 0), asm.Return()) }
func (b *builder) increment(base asm.Register, at int16) { b.addTo(base, at, 1) }

// jumpIf compares with a constant, in 64 bits.
func (b *builder) jumpIf(r asm.Register, op asm.JumpOp, value int32, label string) {
	b.add(op.Imm(r, value, label))
}

// addTo adds a constant to a word of memory that no other processor writes to. It needs r5.
func (b *builder) addTo(base asm.Register, at int16, n int32) {
	b.load(asm.R5, base, at, asm.DWord)
	b.add(asm.Add.Imm(asm.R5, n))
	b.store(base, at, asm.R5, asm.DWord)
}
